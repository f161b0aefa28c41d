/* base64.c - see base64.h */
#include "event/base64.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of each letter plus one; 0: no letter. */
static const uint8_t sixes[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,
    ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27,
    ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45,
    ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['/'] = 64, ['-'] = 63, ['_'] = 64,
};

size_t base64_encode(struct slice bytes, char *out)
{
	const unsigned char *in = (const unsigned char *)bytes.data;
	char *start = out;

	for (size_t i = 0; i < bytes.length; i += 3) {
		const size_t left = bytes.length - i;
		const uint32_t group = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
		                       (left > 2 ? (uint32_t)in[i + 2] : 0);

		*out++ = letters[group >> 18];
		*out++ = letters[group >> 12 & 63];
		*out++ = left > 1 ? letters[group >> 6 & 63] : '=';
		*out++ = left > 2 ? letters[group & 63] : '=';
	}
	return (size_t)(out - start);
}

bool base64_decode(struct slice text, uint8_t *out, size_t *length)
{
	size_t count = text.length;
	uint32_t group = 0;
	size_t written = 0;

	if (count % 4 == 0 && count > 0 && text.data[count - 1] == '=')
		count -= text.data[count - 2] == '=' ? 2 : 1;
	if (count % 4 == 1)
		return false;
	for (size_t i = 0; i < count; i++) {
		const uint8_t six = sixes[(unsigned char)text.data[i]];

		if (six == 0)
			return false;
		group = group << 6 | (uint32_t)(six - 1);
		if (i % 4 != 0)
			out[written++] = (uint8_t)(group >> (6 - 2 * (i % 4)));
	}
	*length = written;
	return true;
}
