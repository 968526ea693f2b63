/* "serve": serves a program that adds one, over every transport that libtirpc has, until SIGTERM.
 * "call HOST NETID NUMBER": calls it. */
#include <rpc/rpc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM 0x200000c1
#define VERSION 1
#define ADD_ONE 1

static void dispatch(struct svc_req *req, SVCXPRT *xprt)
{
	int number = 0;

	switch (req->rq_proc) {
	case NULLPROC:
		svc_sendreply(xprt, (xdrproc_t)xdr_void, NULL);
		return;
	case ADD_ONE:
		if (!svc_getargs(xprt, (xdrproc_t)xdr_int, (caddr_t)&number)) {
			svcerr_decode(xprt);
			return;
		}
		number++;
		svc_sendreply(xprt, (xdrproc_t)xdr_int, (caddr_t)&number);
		return;
	default:
		svcerr_noproc(xprt);
	}
}

static void end(int signal)
{
	(void)signal;
	svc_unreg(PROGRAM, VERSION);
	_exit(0);
}

static int serve(void)
{
	if (!svc_create(dispatch, PROGRAM, VERSION, "visible"))
		return 1;
	signal(SIGTERM, end);
	svc_run();
	return 1;
}

static int call(const char *host, const char *netid, const char *text)
{
	int number = atoi(text), sum = 0;
	enum clnt_stat status = rpc_call(host, PROGRAM, VERSION, ADD_ONE, (xdrproc_t)xdr_int,
		(char *)&number, (xdrproc_t)xdr_int, (char *)&sum, netid);

	printf("%s %d\n", clnt_sperrno(status), sum);
	return status != RPC_SUCCESS;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 5 && !strcmp(argv[1], "call"))
		return call(argv[2], argv[3], argv[4]);
	return 2;
}
