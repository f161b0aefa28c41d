/* topic_creation.c - see topic_creation.h */
#include "connect/topic_creation.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "connect/capture_list.h"

static bool matches_whole(const char *expression, size_t length, const char *topic)
{
	struct buffer text = {0};
	regex_t pattern;
	bool matches = true;

	buffer_append_format(&text, "^(%.*s)$", (int)length, expression);
	if (regcomp(&pattern, text.data, REG_EXTENDED | REG_NOSUB) == 0) {
		matches = regexec(&pattern, topic, 0, NULL, 0) == 0;
		regfree(&pattern);
	}
	buffer_free(&text);
	return matches;
}

static bool matches_any(const char *list, const char *topic)
{
	while (*list != '\0') {
		size_t length;

		list += strspn(list, ", ");
		length = strcspn(list, ",");
		if (length > 0 && matches_whole(list, length, topic))
			return true;
		list += length;
	}
	return false;
}

static const char *setting_of(const json_t *connector, struct buffer *name, const char *group, size_t length,
                              const char *setting, const char *fallback)
{
	buffer_reset(name);
	buffer_append_format(name, "topic.creation.%.*s.%s", (int)length, group, setting);
	return capture_setting(connector, name->data, fallback);
}

/* A group without a number takes that of the default group. Sets *partitions when the setting exists. */
static bool read_partitions(const json_t *connector, const char *group, size_t length, struct buffer *setting,
                            long *partitions)
{
	const char *text = setting_of(connector, setting, group, length, "partitions", NULL);

	if (text != NULL)
		*partitions = strtol(text, NULL, 10);
	return text != NULL;
}

long topic_creation_partitions(const json_t *connector, const char *topic, struct buffer *setting)
{
	const char *groups = capture_setting(connector, "topic.creation.groups", "");
	long partitions = 0;

	while (*groups != '\0') {
		size_t length;

		groups += strspn(groups, ", ");
		length = strcspn(groups, ", ");
		if (length > 0 && matches_any(setting_of(connector, setting, groups, length, "include", ""), topic) &&
		    !matches_any(setting_of(connector, setting, groups, length, "exclude", ""), topic)) {
			if (read_partitions(connector, groups, length, setting, &partitions))
				return partitions;
			break;
		}
		groups += length;
	}
	read_partitions(connector, "default", strlen("default"), setting, &partitions);
	return partitions;
}
