/* AuthMetadataService: how a client would sign in. Without an authorization server configured there is nothing to tell.
 */
#include "app.h"
#include "gen/flyteidl2_auth.h"
#include "gen/services.h"

enum code AuthMetadataService_GetPublicClientConfig(struct ctx *cx, const AuthGetPublicClientConfigRequest *req,
                                                    AuthGetPublicClientConfigResponse *rsp)
{
    (void)req;
    rsp->authorization_metadata_key = STR("authorization");
    rsp->dataplane_domain = cx->app->api_url;
    return CODE_OK;
}

enum code AuthMetadataService_GetOAuth2Metadata(struct ctx *cx, const AuthGetOAuth2MetadataRequest *req,
                                                AuthGetOAuth2MetadataResponse *rsp)
{
    (void)req;
    (void)rsp;
    return fail(cx, CODE_UNIMPLEMENTED, "no authorization server is configured");
}
