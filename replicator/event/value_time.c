/*
 * value_time.c - dates, times of day, timestamps and intervals.
 *
 * NOTES
 *   Numbers count from 1970-01-01 in the proleptic Gregorian calendar, as PostgreSQL does. ISO texts are Java's: the
 *   year before 0001 is 0000 (PostgreSQL's 0001 BC), years after 9999 have a plus sign.
 *
 *   PostgreSQL's infinities arrive as dates far away. Which ones depends on whether a snapshot or the stream sent them;
 *   these were seen with the connector 3.7.0 (PostgresValueConverter, POSITIVE_INFINITY_…; PGStatement).
 */
#include "event/conversion.h"

#include "base/arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_US INT64_C(86400000000)

static const char infinity[] = "infinity";
static const char minus_infinity[] = "-infinity";

struct far_number {
	int64_t number;
	const char *text;
};

static const struct far_number far_days[] = {
    {2146033979, infinity},
    {-622191234, infinity}, /* a snapshot's: cut to 32 bits */
    {-2147472691, minus_infinity},
    {-625821272, minus_infinity},
};

/* Of any unit: PGStatement.DATE_POSITIVE_INFINITY as milliseconds and as microseconds, and the ends of 64 bits. */
static const struct far_number far_timestamps[] = {
    {INT64_MAX, infinity},
    {INT64_C(9223372036825200000), infinity},
    {INT64_MIN, minus_infinity},
    {INT64_C(-9223372036832400000), minus_infinity},
};

static const struct {
	const char *text; /* the date alone, without time and zone */
	const char *meaning;
} far_texts[] = {
    {"+5877611-06-21", infinity},         {"+292278994-08-16", infinity}, {"-5877611-06-22", minus_infinity},
    {"+292269055-12-02", minus_infinity}, /* a snapshot's: the sign of its era is lost */
    {"-292275055-05-16", minus_infinity},
};

static const char *find_far(const struct far_number *numbers, size_t count, int64_t number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i].number == number)
			return numbers[i].text;
	return NULL;
}

static char *put_digits(char *out, uint64_t number, int width)
{
	for (int i = width - 1; i >= 0; i--, number /= 10)
		out[i] = (char)('0' + number % 10);
	return out + width;
}

static char *put_text(char *out, const char *text)
{
	const size_t length = strlen(text);

	memcpy(out, text, length);
	return out + length;
}

static int year_width(int64_t year)
{
	int width = 4;

	for (year /= 10000; year > 0; year /= 10)
		width++;
	return width;
}

/*
 * A date from the number of days since 1970-01-01: years are counted from March, in eras of 400 years (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms").
 */
static char *put_date(char *out, int64_t days, bool *before_christ)
{
	const int64_t shifted = days + 719468;
	const int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	const int64_t day_of_era = shifted - era * 146097;
	const int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t month_from_march = (5 * day_of_year + 2) / 153;
	const int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	const int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	int64_t year = year_of_era + era * 400 + (month <= 2);

	*before_christ = year <= 0;
	if (*before_christ)
		year = 1 - year;
	out = put_digits(out, (uint64_t)year, year_width(year));
	*out++ = '-';
	out = put_digits(out, (uint64_t)month, 2);
	*out++ = '-';
	return put_digits(out, (uint64_t)day, 2);
}

static char *put_time(char *out, int64_t us)
{
	const uint64_t seconds = (uint64_t)us / 1000000;
	const uint64_t fraction = (uint64_t)us % 1000000;

	out = put_digits(out, seconds / 3600, 2);
	*out++ = ':';
	out = put_digits(out, seconds / 60 % 60, 2);
	*out++ = ':';
	out = put_digits(out, seconds % 60, 2);
	if (fraction != 0) {
		*out++ = '.';
		out = put_digits(out, fraction, 6);
	}
	return out;
}

static bool read_number(const struct value *value, int64_t *number)
{
	const struct scan_token token = {.data = value->data, .length = value->length, .kind = SCAN_NUMBER};

	return value->kind == VALUE_NUMBER && value->length > 0 && scan_signed(&token, number);
}

struct error *convert_days(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	int64_t days;
	bool before_christ;
	const char *far;
	char *text;
	char *end;

	(void)conversion;
	if (!read_number(value, &days) || days > INT32_MAX || days < INT32_MIN)
		return conversion_mismatch(value, "a date as days since 1970-01-01");
	far = find_far(far_days, sizeof(far_days) / sizeof(far_days[0]), days);
	if (far != NULL) {
		converted_text(converted, far, strlen(far));
		return NULL;
	}
	text = arena_alloc(arena, 24);
	end = put_date(text, days, &before_christ);
	if (before_christ)
		end = put_text(end, " BC");
	converted_text(converted, text, (size_t)(end - text));
	return NULL;
}

/* The number as microseconds, rounded down; the unit 0 is the nanosecond. False: beyond 64 bits. */
static bool to_us(int64_t number, int64_t unit_us, int64_t *us)
{
	if (unit_us == 0) {
		*us = number / 1000 - (number % 1000 < 0);
		return true;
	}
	return !__builtin_mul_overflow(number, unit_us, us);
}

struct error *convert_time(const struct conversion *conversion, const struct value *value, struct arena *arena,
                           struct value *converted)
{
	int64_t number;
	int64_t us;
	char *text;
	char *end;

	if (!read_number(value, &number) || !to_us(number, conversion->unit_us, &us) || us < 0 || us > DAY_US)
		return conversion_mismatch(value, "a time of day as a number from midnight to 24:00");
	text = arena_alloc(arena, 24);
	end = put_time(text, us);
	if (conversion->zoned)
		*end++ = 'Z';
	converted_text(converted, text, (size_t)(end - text));
	return NULL;
}

static void put_timestamp(int64_t days, int64_t us, bool zoned, struct arena *arena, struct value *converted)
{
	char *text = arena_alloc(arena, 48);
	bool before_christ;
	char *end = put_date(text, days, &before_christ);

	*end++ = ' ';
	end = put_time(end, us);
	if (zoned)
		*end++ = 'Z';
	if (before_christ)
		end = put_text(end, " BC");
	converted_text(converted, text, (size_t)(end - text));
}

struct error *convert_timestamp(const struct conversion *conversion, const struct value *value, struct arena *arena,
                                struct value *converted)
{
	/* Units of a day, so that milliseconds of any size need no multiplication before the division. */
	const int64_t day = conversion->unit_us == 0 ? DAY_US * 1000 : DAY_US / conversion->unit_us;
	int64_t number;
	int64_t rest;
	int64_t days;
	int64_t us;
	const char *far;

	if (!read_number(value, &number))
		return conversion_mismatch(value, "a timestamp as a number since 1970-01-01");
	far = find_far(far_timestamps, sizeof(far_timestamps) / sizeof(far_timestamps[0]), number);
	if (far == NULL && conversion->unit_us == 1000)
		/* The stream's infinities have microseconds that were divided. */
		far = number == INT64_C(9223372036825200)    ? infinity
		      : number == INT64_C(-9223372036832400) ? minus_infinity
		                                             : NULL;
	if (far != NULL) {
		converted_text(converted, far, strlen(far));
		return NULL;
	}
	rest = number % day;
	days = number / day - (rest < 0);
	if (!to_us(rest < 0 ? rest + day : rest, conversion->unit_us, &us) || days > INT32_MAX || days < INT32_MIN)
		return conversion_mismatch(value, "a timestamp within the range of PostgreSQL");
	put_timestamp(days, us, conversion->zoned, arena, converted);
	return NULL;
}

/* Java's year with a sign, or 0000: PostgreSQL wants BC behind the text, and no plus. */
static struct error *convert_signed_year(const struct value *value, struct arena *arena, struct value *converted)
{
	const bool minus = value->data[0] == '-';
	const char *digits = value->data + (value->data[0] == '-' || value->data[0] == '+');
	const char *end = value->data + value->length;
	const char *rest = digits;
	int64_t year = 0;
	char *text = arena_alloc(arena, value->length + 8);
	char *out = text;

	while (rest < end && rest - digits < 9 && *rest >= '0' && *rest <= '9')
		year = year * 10 + (*rest++ - '0');
	if (rest == digits || rest == end || *rest != '-')
		return conversion_mismatch(value, "a date or timestamp in ISO 8601's form");
	if (minus || year == 0)
		year++; /* 0000 is the year 1 BC */
	out = put_digits(out, (uint64_t)year, year_width(year));
	memcpy(out, rest, (size_t)(end - rest));
	out += end - rest;
	if (minus || year == 1)
		out = put_text(out, " BC");
	converted_text(converted, text, (size_t)(out - text));
	return NULL;
}

struct error *convert_iso(const struct conversion *conversion, const struct value *value, struct arena *arena,
                          struct value *converted)
{
	size_t date = 0;

	(void)conversion;
	if (value->kind != VALUE_STRING || value->length < 5)
		return conversion_mismatch(value, "a date or timestamp in ISO 8601's form");
	*converted = *value;
	if (value->data[0] != '+' && value->data[0] != '-' && memcmp(value->data, "0000", 4) != 0)
		return NULL;
	while (date < value->length && value->data[date] != 'T' && value->data[date] != 'Z')
		date++;
	for (size_t i = 0; i < sizeof(far_texts) / sizeof(far_texts[0]); i++) {
		if (slice_is((struct slice){value->data, date}, far_texts[i].text)) {
			converted_text(converted, far_texts[i].meaning, strlen(far_texts[i].meaning));
			return NULL;
		}
	}
	if (slice_is(value_slice(value), minus_infinity)) /* of a timestamptz */
		return NULL;
	return convert_signed_year(value, arena, converted);
}

struct error *convert_untold_date(const struct conversion *conversion, const struct value *value, struct arena *arena,
                                  struct value *converted)
{
	return value->kind == VALUE_NUMBER ? convert_days(conversion, value, arena, converted)
	                                   : convert_iso(conversion, value, arena, converted);
}

struct error *convert_untold_time(const struct conversion *conversion, const struct value *value, struct arena *arena,
                                  struct value *converted)
{
	if (value->kind == VALUE_NUMBER)
		return convert_time(conversion, value, arena, converted);
	if (value->kind != VALUE_STRING)
		return conversion_mismatch(value, "a time of day");
	*converted = *value;
	return NULL;
}

struct error *convert_untold_timestamp(const struct conversion *conversion, const struct value *value,
                                       struct arena *arena, struct value *converted)
{
	return value->kind == VALUE_NUMBER ? convert_timestamp(conversion, value, arena, converted)
	                                   : convert_iso(conversion, value, arena, converted);
}

/* Hours, not seconds: PostgreSQL's input takes each field as a number of 32 bits. */
struct error *convert_duration(const struct conversion *conversion, const struct value *value, struct arena *arena,
                               struct value *converted)
{
	int64_t us;
	uint64_t magnitude;

	(void)conversion;
	if (!read_number(value, &us))
		return conversion_mismatch(value, "an interval as microseconds");
	magnitude = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	converted->data = arena_format(arena, "%s%" PRIu64 ":%02u:%02u.%06u", us < 0 ? "-" : "",
	                               magnitude / UINT64_C(3600000000), (unsigned)(magnitude / 60000000 % 60),
	                               (unsigned)(magnitude / 1000000 % 60), (unsigned)(magnitude % 1000000));
	converted_text(converted, converted->data, strlen(converted->data));
	return NULL;
}

struct error *convert_untold_interval(const struct conversion *conversion, const struct value *value,
                                      struct arena *arena, struct value *converted)
{
	if (value->kind == VALUE_NUMBER)
		return convert_duration(conversion, value, arena, converted);
	if (value->kind != VALUE_STRING)
		return conversion_mismatch(value, "an interval");
	*converted = *value;
	return NULL;
}
