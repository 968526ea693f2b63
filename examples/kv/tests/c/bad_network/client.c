/* Puts values and gets each of them back, with the stubs of C's rpcgen, and says how each call ended.
 * client NETID PORT COUNT: where the server is, on this host. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kv.h"

static struct sockaddr_in addr;
static int is_tcp;
static CLIENT *client;

/* A client is of no use any more once its connection was lost. */
static int connected(void)
{
	struct timeval resend = { 0, 100000 }, timeout = { 4, 0 };
	int sock = RPC_ANYSOCK;

	if (client)
		return 1;
	client = is_tcp ? clnttcp_create(&addr, KV_PROG, KV_V1, &sock, 0, 0)
			: clntudp_create(&addr, KV_PROG, KV_V1, resend, &sock);
	if (client)
		clnt_control(client, CLSET_TIMEOUT, (char *)&timeout);
	return client != NULL;
}

static void failed(const char *what, const char *key)
{
	printf("%s %s failed%s\n", what, key, client ? clnt_sperror(client, "") : clnt_spcreateerror(""));
	if (client && is_tcp) {
		clnt_destroy(client);
		client = NULL;
	}
}

static void put_and_get(char *key)
{
	kv_val val = { .kv_val_len = strlen(key), .kv_val_val = key };
	kv_status *status = connected() ? kv_put_1(key, val, client) : NULL;
	kv_get_res *res;

	if (!status) {
		failed("put", key);
		return;
	}
	printf("put %s done\n", key);
	res = connected() ? kv_get_1(key, client) : NULL;
	if (!res)
		failed("get", key);
	else if (res->status == KV_OK)
		printf("get %s = %.*s\n", key, (int)res->kv_get_res_u.val.kv_val_len,
		       res->kv_get_res_u.val.kv_val_val);
	else
		printf("get %s = nothing\n", key);
}

int main(int argc, char **argv)
{
	char key[16];

	if (argc != 4)
		return 2;
	is_tcp = !strcmp(argv[1], "tcp");
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(atoi(argv[2]));
	for (int i = 0; i < atoi(argv[3]); i++) {
		snprintf(key, sizeof key, "%d", i);
		put_and_get(key);
	}
	return 0;
}
