/*
 * http.h - one HTTP request and its answer, over libcurl. For the REST interfaces of the schema registry and of Kafka
 * Connect.
 *
 * Thread: any; the calling thread waits. A stop request (signals.h) ends the wait.
 */
#ifndef REPLICATOR_BASE_HTTP_H
#define REPLICATOR_BASE_HTTP_H

#include "base/buffer.h"
#include "base/error.h"

struct http_request {
	const char *method; /* NULL: GET */
	const char *url;    /* http:// or https:// */
	const char *user;   /* basic authentication; NULL: none */
	const char *password;
	const char *ca_file; /* authorities to trust, PEM; NULL: the system's */
	const char *accept;  /* NULL: application/json */
	const char *body;    /* sent as application/json; NULL: none */
	int timeout_ms;      /* of the whole request; 0: 30 seconds */
};

struct http_response {
	int status; /* 200, 404… */
	struct buffer body;
};

/*
 * Any status is an answer, no error. ERROR_TRANSIENT: no answer came (the text names host and reason, no secrets);
 * ERROR_CONFIGURATION: the URL or the certificates are wrong; ERROR_INTERRUPTED. On success free response->body.
 */
struct error *http_send(const struct http_request *request, struct http_response *response);

/* The URL without user, password and query, for messages; in `text`. */
void http_url_shown(const char *url, struct buffer *text);

#endif
