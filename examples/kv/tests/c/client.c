/* Puts a value, gets it, gets another one and lists, with the stubs of C's rpcgen.
 * client HOST NETID VERSION: where the program is, the portmapper of HOST knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "kv.h"

/* More than one fragment of a record, as libtirpc cuts them. */
#define LARGE 100000

static void fail(CLIENT *client, const char *what)
{
	if (client)
		clnt_perror(client, what);
	else
		clnt_pcreateerror(what);
	exit(1);
}

static void put(CLIENT *client, char *key, char *value, u_int len)
{
	kv_val val = { .kv_val_len = len, .kv_val_val = value };
	kv_status *status = kv_put_1(key, val, client);

	if (!status)
		fail(client, "put");
	printf("put %s %u: %d\n", key, len, *status);
}

static void get(CLIENT *client, char *key)
{
	kv_get_res *res = kv_get_1(key, client);
	kv_val *val;

	if (!res)
		fail(client, "get");
	if (res->status != KV_OK) {
		printf("get %s: status %d\n", key, res->status);
		return;
	}
	val = &res->kv_get_res_u.val;
	if (val->kv_val_len > 32)
		printf("get %s: %u bytes, the last %u\n", key, val->kv_val_len,
		       (unsigned char)val->kv_val_val[val->kv_val_len - 1]);
	else
		printf("get %s: %.*s\n", key, (int)val->kv_val_len, val->kv_val_val);
}

int main(int argc, char **argv)
{
	static char large[LARGE];
	CLIENT *client;
	kv_list *list;

	if (argc != 4)
		return 2;
	client = clnt_create(argv[1], KV_PROG, atoi(argv[3]), argv[2]);
	if (!client)
		fail(NULL, argv[1]);
	put(client, "motd", "hello", 5);
	get(client, "motd");
	get(client, "nothing");
	if (!strcmp(argv[2], "tcp")) {
		memset(large, 7, sizeof large);
		put(client, "large", large, sizeof large);
		get(client, "large");
	}
	list = kv_keys_1(client);
	if (!list)
		fail(client, "list");
	for (kv_entry *entry = *list; entry; entry = entry->next)
		printf("key %s\n", entry->key);
	clnt_destroy(client);
	return 0;
}
