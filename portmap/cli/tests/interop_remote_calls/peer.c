/* A service of libtirpc, and clients that have it called by a portmapper. */
#include <rpc/rpc.h>
#include <rpc/pmap_clnt.h>
#include <rpc/pmap_rmt.h>
#include <rpc/rpcb_clnt.h>
#include <arpa/inet.h>
#include <netconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROG 0x20000001
#define VERS 1
#define NEXT 1

static void dispatch(struct svc_req *call, SVCXPRT *xprt)
{
    u_int n = 0;

    switch (call->rq_proc) {
    case NULLPROC:
        svc_sendreply(xprt, (xdrproc_t) xdr_void, NULL);
        break;
    case NEXT:
        if (!svc_getargs(xprt, (xdrproc_t) xdr_u_int, (char *) &n)) {
            svcerr_decode(xprt);
            break;
        }
        n++;
        svc_sendreply(xprt, (xdrproc_t) xdr_u_int, (char *) &n);
        break;
    default:
        svcerr_noproc(xprt);
    }
}

static int serve(void)
{
    if (svc_create(dispatch, PROG, VERS, "datagram_v") < 2)
        return 1;
    puts("registered");
    fflush(stdout);
    svc_run();
    return 1;
}

static const struct timeval timeout = { 10, 0 };

/* PMAPPROC_CALLIT */
static enum clnt_stat by_pmap(const char *host, u_int n, u_int *next, u_long *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(111) };

    inet_pton(AF_INET, host, &addr.sin_addr);
    return pmap_rmtcall(&addr, PROG, VERS, NEXT, (xdrproc_t) xdr_u_int, (char *) &n,
                        (xdrproc_t) xdr_u_int, (char *) next, timeout, port);
}

/* RPCBPROC_BCAST, to one host */
static enum clnt_stat by_rpcb(const char *host, u_int n, u_int *next, u_long *port)
{
    struct sockaddr_storage storage;
    struct netbuf addr = { sizeof(storage), sizeof(storage), &storage };
    struct netconfig *udp = getnetconfigent("udp");
    enum clnt_stat status;

    status = rpcb_rmtcall(udp, host, PROG, VERS, NEXT, (xdrproc_t) xdr_u_int, (char *) &n,
                          (xdrproc_t) xdr_u_int, (char *) next, timeout, &addr);
    *port = ntohs(((struct sockaddr_in *) &storage)->sin_port);
    return status;
}

int main(int argc, char **argv)
{
    u_int next = 0;
    u_long port = 0;
    enum clnt_stat status;

    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc != 3)
        return 2;
    status = strcmp(argv[1], "pmap") == 0 ? by_pmap(argv[2], 41, &next, &port)
                                          : by_rpcb(argv[2], 41, &next, &port);
    printf("%d %u %lu\n", (int) status, next, port);
    return 0;
}
