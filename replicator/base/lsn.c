/* lsn.c - see lsn.h */
#include "base/lsn.h"

#include <inttypes.h>
#include <stdio.h>

void lsn_format(uint64_t lsn, char text[LSN_TEXT_SIZE])
{
	snprintf(text, LSN_TEXT_SIZE, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32), (uint32_t)lsn);
}

/* Reads one to eight hexadecimal digits; NULL when there is none or one too many. */
static const char *parse_half(const char *text, uint32_t *half)
{
	int digits = 0;

	*half = 0;
	for (;; text++, digits++) {
		uint32_t digit;

		if (*text >= '0' && *text <= '9')
			digit = (uint32_t)(*text - '0');
		else if (*text >= 'A' && *text <= 'F')
			digit = (uint32_t)(*text - 'A') + 10;
		else if (*text >= 'a' && *text <= 'f')
			digit = (uint32_t)(*text - 'a') + 10;
		else
			break;
		*half = *half << 4 | digit;
	}
	return digits >= 1 && digits <= 8 ? text : NULL;
}

bool lsn_parse(const char *text, uint64_t *lsn)
{
	uint32_t high;
	uint32_t low;

	text = parse_half(text, &high);
	if (text == NULL || *text != '/')
		return false;
	text = parse_half(text + 1, &low);
	if (text == NULL || *text != '\0')
		return false;
	*lsn = (uint64_t)high << 32 | low;
	return true;
}
