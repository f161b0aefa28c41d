/* suspect.c - see suspect.h */
#include "target/suspect.h"

#include "base/buffer.h"
#include "base/lsn.h"
#include "base/sha256.h"
#include "target/state.h"

/* "id=5, part=x", as check_target names a row: by the source's names, with masked values masked. */
static void append_key(struct buffer *text, const struct binding *binding, const struct value *values)
{
	const struct relation *relation = binding->relation;
	char hash[SHA256_TEXT];

	for (uint32_t i = 0; i < relation->key_count; i++) {
		const struct bound_column *column = &binding->columns[binding->key[i]];
		const struct value *value = &values[relation->key_columns[i]];

		buffer_append_format(text, "%s%s=", i > 0 ? ", " : "", relation->columns[column->source].name);
		if (value->data == NULL)
			continue;
		if (column->hashed)
			sha256_text(slice_from(binding->salt), (struct slice){value->data, value->length}, hash);
		buffer_append(text, column->hashed ? hash : value->data, column->hashed ? sizeof(hash) : value->length);
	}
}

struct error *suspect_mark(struct pg_connection *connection, const struct config *config, const struct binding *binding,
                           const struct value *values, const struct transaction *transaction)
{
	struct number tx_id = number_of((int64_t)transaction->tx_id);
	struct buffer key = {0};
	char lsn[LSN_TEXT_SIZE];
	struct error *error;

	lsn_format(transaction->commit_lsn, lsn);
	append_key(&key, binding, values);
	buffer_append_byte(&key, '\0');
	const char *const parameters[6] =
	    {config->stream.name, binding->relation->schema, binding->relation->table, key.data, tx_id.text, lsn};

	error =
	    state_query(connection, config,
	                "INSERT INTO @suspect (stream, schema_name, table_name, key, tx_id, commit_lsn)"
	                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (stream, schema_name, table_name, key)"
	                " DO UPDATE SET tx_id = excluded.tx_id, commit_lsn = excluded.commit_lsn, marked_at = now()",
	                6, parameters, NULL);
	buffer_free(&key);
	return error;
}
