/* IdentityService: who the server takes the caller for. Without authentication that is the account of the process at
 * the other end of the loopback connection, or whom a trusted proxy names (D-30, D-36). */
#include "gen/flyteidl2_auth.h"
#include "gen/services.h"

enum code IdentityService_UserInfo(struct ctx *cx, const AuthUserInfoRequest *req, AuthUserInfoResponse *rsp)
{
    (void)req;
    if (!cx->who->known)
        return fail(cx, CODE_UNAUTHENTICATED, "the caller is not known");
    rsp->subject = cx->who->subject;
    rsp->name = cx->who->name;
    rsp->preferred_username = cx->who->name;
    rsp->email = cx->who->email;
    return CODE_OK;
}
