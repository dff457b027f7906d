/* ClusterService: which endpoint serves the data plane. One program does both, so the answer is empty (the client stays
 * where it is) unless another public endpoint is configured (D-51). */
#include "app.h"
#include "gen/flyteidl2_cluster.h"
#include "gen/services.h"

enum code ClusterService_SelectCluster(struct ctx *cx, const ClusterSelectClusterRequest *req,
                                       ClusterSelectClusterResponse *rsp)
{
    (void)req;
    rsp->cluster_endpoint = cx->app->public_endpoint;
    return CODE_OK;
}
