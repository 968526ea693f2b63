/* Serves kv.x with the dispatcher of C's rpcgen and libtirpc, over every transport that there is,
 * registered with this host's portmapper. SIGTERM unregisters it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "kv.h"

extern void kv_prog_1(struct svc_req *, SVCXPRT *);

static kv_list entries; /* sorted by key */
static struct stored { kv_val val; struct stored *next; char *key; } *values;

static struct stored *find(const char *key)
{
	struct stored *at = values;

	while (at && strcmp(at->key, key))
		at = at->next;
	return at;
}

static void list(const char *key)
{
	kv_list *at = &entries;
	kv_entry *entry = malloc(sizeof *entry);

	while (*at && strcmp((*at)->key, key) < 0)
		at = &(*at)->next;
	entry->key = strdup(key);
	entry->next = *at;
	*at = entry;
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
		list(key);
	}
	found->val.kv_val_len = val.kv_val_len;
	found->val.kv_val_val = malloc(val.kv_val_len + 1);
	memcpy(found->val.kv_val_val, val.kv_val_val, val.kv_val_len);
	return &status;
}

kv_list *kv_keys_1_svc(struct svc_req *req)
{
	(void)req;
	return &entries;
}

static void end(int signal)
{
	(void)signal;
	svc_unreg(KV_PROG, KV_V1);
	_exit(0);
}

int main(void)
{
	int transports = svc_create(kv_prog_1, KV_PROG, KV_V1, "visible");

	if (transports == 0) {
		fprintf(stderr, "svc_create registered nothing\n");
		return 1;
	}
	signal(SIGTERM, end);
	printf("%d transports\n", transports);
	fflush(stdout);
	svc_run();
	return 1;
}
