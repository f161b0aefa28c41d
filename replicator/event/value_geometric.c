/*
 * value_geometric.c - PostgreSQL's geometric types, which the connector writes as well-known binary or as structs.
 *
 * Source: Debezium documentation, "PostgreSQL geometric types"; OGC 06-103r4 (well-known binary); PostgreSQL
 * documentation, "Geometric Types".
 */
#include "event/conversion.h"

#include "base/arena.h"
#include "base/buffer.h"

#include <string.h>

#define WKB_LINE_STRING 2
#define WKB_POLYGON 3

static struct error *mismatch(const struct value *value)
{
	return conversion_mismatch(value, "a geometric value ({\"wkb\":base64,…}, a line or a circle)");
}

/* Little- or big-endian, as the first byte of the whole says. */
static uint64_t read_bits(const unsigned char *at, size_t size, bool little)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < size; i++)
		bits = bits << 8 | at[little ? size - 1 - i : i];
	return bits;
}

/* The coordinates of a line string, or of a polygon's only ring. */
struct points {
	const unsigned char *at;
	size_t count;
	bool little;
};

static bool take_points(struct slice wkb, struct points *points)
{
	const unsigned char *at = (const unsigned char *)wkb.data;
	uint64_t type;

	if (wkb.length < 9)
		return false;
	points->little = at[0] == 1;
	type = read_bits(at + 1, 4, points->little) & 0xff;
	at += 5;
	wkb.length -= 5;
	if (type == WKB_POLYGON) { /* one ring */
		if (read_bits(at, 4, points->little) != 1 || wkb.length < 8)
			return false;
		at += 4;
		wkb.length -= 4;
	} else if (type != WKB_LINE_STRING) {
		return false;
	}
	points->count = (size_t)read_bits(at, 4, points->little);
	points->at = at + 4;
	return points->count > 0 && (wkb.length - 4) / 16 == points->count && (wkb.length - 4) % 16 == 0;
}

static double coordinate(const struct points *points, size_t number)
{
	const uint64_t bits = read_bits(points->at + 8 * number, 8, points->little);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static void put_points(struct buffer *text, const struct points *points, size_t first, size_t count, size_t step)
{
	for (size_t i = 0; i < count; i++)
		buffer_append_format(text, "%s(%.17g,%.17g)", i == 0 ? "" : ",",
		                     coordinate(points, 2 * (first + i * step)),
		                     coordinate(points, 2 * (first + i * step) + 1));
}

static void take_text(struct buffer *text, struct arena *arena, struct value *converted)
{
	converted_text(converted, arena_copy(arena, text->data, text->length), text->length);
	buffer_free(text);
}

/* The points of {"wkb":…}; *closed: of a path. */
static bool read_wkb(const struct value *value, struct arena *arena, struct points *points, bool *closed)
{
	static const struct scan_field fields[] = {SCAN_FIELD("wkb"), SCAN_FIELD("extensions")};
	static const struct scan_field extensions[] = {SCAN_FIELD("closed")};
	struct scan_token tokens[2];
	struct scan_token open;
	struct slice wkb;

	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 2, tokens) ||
	    tokens[0].kind != SCAN_STRING || tokens[0].escaped ||
	    !conversion_bytes((struct slice){tokens[0].data, tokens[0].length}, arena, &wkb) ||
	    !take_points(wkb, points))
		return false;
	*closed = tokens[1].kind == SCAN_OBJECT &&
	          conversion_fields((struct slice){tokens[1].data, tokens[1].length}, extensions, 1, &open) &&
	          scan_token_is(&open, slice_from("true"));
	return true;
}

/* What the server itself wrote is right as it is. */
#define TAKE_STRING(value, converted)                                                                                  \
	if ((value)->kind == VALUE_STRING) {                                                                           \
		*(converted) = *(value);                                                                               \
		return NULL;                                                                                           \
	}

/* The text of {"wkb":…} as `write` puts its points; `exact` is how many there must be, 0: any number. */
static struct error *convert_points(const struct value *value, struct arena *arena, struct value *converted,
                                    size_t exact,
                                    void (*write)(struct buffer *text, const struct points *points, bool closed))
{
	struct buffer text = {0};
	struct points points;
	bool closed;

	TAKE_STRING(value, converted)
	if (!read_wkb(value, arena, &points, &closed) || (exact != 0 && points.count != exact))
		return mismatch(value);
	write(&text, &points, closed);
	take_text(&text, arena, converted);
	return NULL;
}

static void write_box(struct buffer *text, const struct points *points, bool closed)
{
	(void)closed;
	put_points(text, points, 0, 2, 2); /* two corners that face each other */
}

struct error *convert_box(const struct conversion *conversion, const struct value *value, struct arena *arena,
                          struct value *converted)
{
	(void)conversion;
	return convert_points(value, arena, converted, 5, write_box);
}

static void write_lseg(struct buffer *text, const struct points *points, bool closed)
{
	(void)closed;
	put_points(text, points, 0, 2, 1);
}

struct error *convert_lseg(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	(void)conversion;
	return convert_points(value, arena, converted, 2, write_lseg);
}

static void write_path(struct buffer *text, const struct points *points, bool closed)
{
	buffer_append_byte(text, closed ? '(' : '[');
	put_points(text, points, 0, points->count, 1);
	buffer_append_byte(text, closed ? ')' : ']');
}

struct error *convert_path(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	(void)conversion;
	return convert_points(value, arena, converted, 0, write_path);
}

/* The ring ends where it began; PostgreSQL's polygon does not repeat the point. */
static void write_polygon(struct buffer *text, const struct points *points, bool closed)
{
	(void)closed;
	buffer_append_byte(text, '(');
	put_points(text, points, 0, points->count > 1 ? points->count - 1 : 1, 1);
	buffer_append_byte(text, ')');
}

struct error *convert_polygon(const struct conversion *conversion, const struct value *value, struct arena *arena,
                              struct value *converted)
{
	(void)conversion;
	return convert_points(value, arena, converted, 0, write_polygon);
}

/* Numbers as they stand; NaN and the infinities are strings. */
static bool is_number(const struct scan_token *token)
{
	return token->kind == SCAN_NUMBER || (token->kind == SCAN_STRING && !token->escaped);
}

struct error *convert_line(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	static const struct scan_field fields[] = {SCAN_FIELD("a"), SCAN_FIELD("b"), SCAN_FIELD("c")};
	struct scan_token t[3];

	(void)conversion;
	TAKE_STRING(value, converted)
	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 3, t) || !is_number(&t[0]) ||
	    !is_number(&t[1]) || !is_number(&t[2]))
		return mismatch(value);
	converted->data = arena_format(arena, "{%.*s,%.*s,%.*s}", (int)t[0].length, t[0].data, (int)t[1].length,
	                               t[1].data, (int)t[2].length, t[2].data);
	converted_text(converted, converted->data, strlen(converted->data));
	return NULL;
}

struct error *convert_circle(const struct conversion *conversion, const struct value *value, struct arena *arena,
                             struct value *converted)
{
	static const struct scan_field fields[] = {SCAN_FIELD("center"), SCAN_FIELD("radius")};
	static const struct scan_field center[] = {SCAN_FIELD("x"), SCAN_FIELD("y")};
	struct scan_token t[2];
	struct scan_token p[2];

	(void)conversion;
	TAKE_STRING(value, converted)
	if (value->kind != VALUE_JSON || !conversion_fields(value_slice(value), fields, 2, t) ||
	    t[0].kind != SCAN_OBJECT || !is_number(&t[1]) ||
	    !conversion_fields((struct slice){t[0].data, t[0].length}, center, 2, p) || !is_number(&p[0]) ||
	    !is_number(&p[1]))
		return mismatch(value);
	converted->data = arena_format(arena, "<(%.*s,%.*s),%.*s>", (int)p[0].length, p[0].data, (int)p[1].length,
	                               p[1].data, (int)t[1].length, t[1].data);
	converted_text(converted, converted->data, strlen(converted->data));
	return NULL;
}
