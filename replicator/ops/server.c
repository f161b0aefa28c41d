/*
 * server.c - see server.h
 *
 * Source: GNU libmicrohttpd manual, "Microhttpd-cb" and "Microhttpd-inspect".
 */
#include "ops/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "base/embedded.h"
#include "base/memory.h"
#include "base/metrics.h"

#define CONNECTIONS_MOST 32
#define IDLE_SECONDS 30

struct ops_server {
	const struct config *config;
	void (*fill)(void *context, struct ops_view *view);
	void *context;
	struct MHD_Daemon *daemon;
};

struct page {
	const char *path;
	const char *type;
	unsigned (*make)(const struct ops_view *view, struct buffer *body); /* the status */
};

static unsigned make_metrics(const struct ops_view *view, struct buffer *body)
{
	ops_print_metrics(view, body);
	return MHD_HTTP_OK;
}

static unsigned make_json(const struct ops_view *view, struct buffer *body)
{
	json_t *root = ops_json(view);
	char *text = json_dumps(root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

	buffer_append_text(body, text);
	buffer_append_byte(body, '\n');
	free(text);
	json_decref(root);
	return MHD_HTTP_OK;
}

/* That we answer is the answer. */
static unsigned make_health(const struct ops_view *view, struct buffer *body)
{
	(void)view;
	buffer_append_text(body, "alive\n");
	return MHD_HTTP_OK;
}

static unsigned make_ready(const struct ops_view *view, struct buffer *body)
{
	const char *why;
	bool ready = ops_is_ready(view, &why);

	buffer_append_format(body, "%s%s\n", ready ? "ready" : "not ready: ", ready ? "" : why);
	return ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static unsigned make_page(const struct ops_view *view, struct buffer *body)
{
	(void)view;
	for (size_t i = 0; i < embedded_file_count; i++) {
		if (strcmp(embedded_files[i].path, "replicator/ops/page.html") == 0)
			buffer_append(body, embedded_files[i].data, embedded_files[i].length);
	}
	return MHD_HTTP_OK;
}

static const struct page pages[] = {
    {"/", "text/html; charset=utf-8", make_page},
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", make_metrics},
    {"/status.json", "application/json", make_json},
    {"/healthz", "text/plain; charset=utf-8", make_health},
    {"/readyz", "text/plain; charset=utf-8", make_ready},
};

static enum MHD_Result respond(struct MHD_Connection *connection, unsigned status, const char *type,
                               struct buffer *body)
{
	size_t length = body->length;
	struct MHD_Response *response =
	    MHD_create_response_from_buffer(length, buffer_steal(body), MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Content-Security-Policy",
	                        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
	                        "connect-src 'self'; frame-ancestors 'none'");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
	struct ops_server *server = context;
	struct buffer body = {0};
	struct ops_view view = {0};

	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		buffer_append_text(&body, "only GET\n");
		return respond(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", &body);
	}
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++) {
		unsigned status;

		if (strcmp(pages[i].path, url) != 0)
			continue;
		view.config = server->config;
		server->fill(server->context, &view);
		status = pages[i].make(&view, &body);
		return respond(connection, status, pages[i].type, &body);
	}
	buffer_append_text(&body, "there are /, /metrics, /status.json, /healthz and /readyz\n");
	return respond(connection, MHD_HTTP_NOT_FOUND, "text/plain", &body);
}

static struct error *address_of(const struct config *config, struct sockaddr_storage *address, bool *six)
{
	struct sockaddr_in *four = (struct sockaddr_in *)address;
	struct sockaddr_in6 *other = (struct sockaddr_in6 *)address;
	uint16_t port = htons((uint16_t)config->status.port);

	memset(address, 0, sizeof(*address));
	*six = strchr(config->status.listen, ':') != NULL;
	if (!*six && inet_pton(AF_INET, config->status.listen, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		four->sin_port = port;
		return NULL;
	}
	if (*six && inet_pton(AF_INET6, config->status.listen, &other->sin6_addr) == 1) {
		other->sin6_family = AF_INET6;
		other->sin6_port = port;
		return NULL;
	}
	return error_new(ERROR_CONFIGURATION, "%s: status.listen is no IP address; write it like 127.0.0.1 or ::1",
	                 config->file);
}

struct error *ops_server_start(const struct config *config, void (*fill)(void *context, struct ops_view *view),
                               void *context, struct ops_server **created)
{
	struct sockaddr_storage address;
	struct ops_server *server;
	bool six;

	*created = NULL;
	if (config->status.port == 0)
		return NULL;
	TRY(address_of(config, &address, &six));
	server = memory_alloc(sizeof(*server));
	*server = (struct ops_server){.config = config, .fill = fill, .context = context};
	errno = 0;
	server->daemon =
	    MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | (six ? MHD_USE_IPv6 : 0U), (uint16_t)config->status.port,
	                     NULL, NULL, answer, server, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address,
	                     MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MOST, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
	                     MHD_OPTION_END);
	if (server->daemon == NULL) {
		free(server);
		return error_new(
		    ERROR_CONFIGURATION,
		    "status.port: nothing can be served at %s, port %lld (%s); choose another port, or 0 for "
		    "none",
		    config->status.listen, (long long)config->status.port, errno != 0 ? strerror(errno) : "refused");
	}
	*created = server;
	return NULL;
}

void ops_server_stop(struct ops_server *server)
{
	if (server == NULL)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}
