/*
 * Decodes and encodes again what it is asked to, with the codecs that rpcgen wrote.
 *
 * Standard input: frames of a type's index, a length, and as many bytes. Standard output: for each
 * a verdict, the bytes consumed, a length, and as many bytes. Numbers are 32 bits, of this machine.
 * An answer is out before the next frame is read, so that a crash has a culprit.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "driver.h"

enum verdict { REFUSED = 0, ACCEPTED = 1, NOT_ENCODED = 2 };

enum { MEMORY = 1 << 30, STACK = 8 << 20, SECONDS = 20 };

static void limit(int resource, rlim_t most)
{
	struct rlimit limit = { most, most };

	if (setrlimit(resource, &limit) != 0)
		exit(3);
}

static void answer(uint32_t verdict, uint32_t consumed, const char *bytes, uint32_t length)
{
	uint32_t head[3] = { verdict, consumed, length };

	fwrite(head, sizeof head, 1, stdout);
	fwrite(bytes, 1, length, stdout);
	if (fflush(stdout) != 0)
		exit(4);
}

static void encode(const struct driver_codec *codec, void *value, uint32_t consumed)
{
	XDR xdrs;
	char *out = malloc(consumed + BYTES_PER_XDR_UNIT);

	if (out == NULL)
		exit(5);
	xdrmem_create(&xdrs, out, consumed + BYTES_PER_XDR_UNIT, XDR_ENCODE);
	if (codec->code(&xdrs, value))
		answer(ACCEPTED, consumed, out, xdr_getpos(&xdrs));
	else
		answer(NOT_ENCODED, consumed, NULL, 0);
	free(out);
}

static void run(const struct driver_codec *codec, char *bytes, uint32_t length)
{
	XDR xdrs;
	void *value = calloc(1, codec->size);

	if (value == NULL)
		exit(5);
	xdrmem_create(&xdrs, bytes, length, XDR_DECODE);
	if (codec->code(&xdrs, value))
		encode(codec, value, xdr_getpos(&xdrs));
	else
		answer(REFUSED, 0, NULL, 0);
	xdr_free(codec->code, value);
	free(value);
}

int main(void)
{
	uint32_t head[2];

	limit(RLIMIT_AS, MEMORY);
	limit(RLIMIT_STACK, STACK);
	limit(RLIMIT_CORE, 0);
	while (fread(head, sizeof head, 1, stdin) == 1) {
		/* One byte more, for malloc may answer NULL when asked for none. */
		char *bytes = malloc(head[1] + 1);

		if (bytes == NULL || fread(bytes, 1, head[1], stdin) != head[1])
			return 2;
		alarm(SECONDS);
		run(&driver_codecs[head[0]], bytes, head[1]);
		free(bytes);
	}
	return 0;
}
