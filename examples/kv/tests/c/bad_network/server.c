/* Serves kv.x with the dispatcher of C's rpcgen and libtirpc, registered nowhere, and says each
 * value that it stores. Prints its ports first. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kv.h"

extern void kv_prog_1(struct svc_req *, SVCXPRT *);

static struct stored { kv_val val; struct stored *next; char *key; } *values;

static struct stored *find(const char *key)
{
	struct stored *at = values;

	while (at && strcmp(at->key, key))
		at = at->next;
	return at;
}

kv_get_res *kv_get_1_svc(kv_key key, struct svc_req *req)
{
	static kv_get_res res;
	struct stored *found = find(key);

	(void)req;
	res.status = found ? KV_OK : KV_NOENT;
	if (found)
		res.kv_get_res_u.val = found->val;
	return &res;
}

kv_status *kv_put_1_svc(kv_key key, kv_val val, struct svc_req *req)
{
	static kv_status status = KV_OK;
	struct stored *found = find(key);

	(void)req;
	if (!found) {
		found = calloc(1, sizeof *found);
		found->key = strdup(key);
		found->next = values;
		values = found;
	}
	found->val.kv_val_len = val.kv_val_len;
	found->val.kv_val_val = malloc(val.kv_val_len + 1);
	memcpy(found->val.kv_val_val, val.kv_val_val, val.kv_val_len);
	printf("put %s\n", key);
	fflush(stdout);
	return &status;
}

kv_list *kv_keys_1_svc(struct svc_req *req)
{
	static kv_list none;

	(void)req;
	return &none;
}

int main(void)
{
	SVCXPRT *udp = svcudp_create(RPC_ANYSOCK);
	SVCXPRT *tcp = svctcp_create(RPC_ANYSOCK, 0, 0);

	/* Protocol 0: it is not told to the portmapper. */
	if (!udp || !svc_register(udp, KV_PROG, KV_V1, kv_prog_1, 0)
	    || !tcp || !svc_register(tcp, KV_PROG, KV_V1, kv_prog_1, 0))
		return 1;
	/* A client may be gone before it is answered. */
	signal(SIGPIPE, SIG_IGN);
	printf("udp://127.0.0.1:%d\ntcp://127.0.0.1:%d\nready\n", udp->xp_port, tcp->xp_port);
	fflush(stdout);
	svc_run();
	return 1;
}
