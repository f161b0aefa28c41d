/*
 * http_server.h - a server for tests that answers each request with what a function says.
 */
#ifndef TESTS_UNIT_HTTP_SERVER_H
#define TESTS_UNIT_HTTP_SERVER_H

#include "base/buffer.h"

struct http_server;

/* `request` is the head of the request; fills `body` and returns the status, or 0 to close without an answer. */
typedef int http_answer(const char *request, struct buffer *body, void *context);

/* On 127.0.0.1; port 0: any. Ends the process when it cannot. */
struct http_server *http_server_start(int port, http_answer *answer, void *context);
void http_server_stop(struct http_server *server);
int http_server_port(const struct http_server *server);

#endif
