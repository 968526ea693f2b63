/* What a peer's table of types is made of. */

#include <rpc/rpc.h>

struct driver_codec {
	xdrproc_t code;
	size_t size;
};

extern const struct driver_codec driver_codecs[];
