/* http_server.c - see http_server.h; one connection after the other, on a thread of its own. */
#include "http_server.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct http_server {
	int socket;
	int port;
	pthread_t thread;
	http_answer *answer;
	void *context;
};

static void serve(const struct http_server *server, int connection)
{
	char request[8192];
	size_t length = 0;
	ssize_t got;
	struct buffer body = {0};
	struct buffer answer = {0};
	int status;

	request[0] = '\0';
	while (length < sizeof(request) - 1 && strstr(request, "\r\n\r\n") == NULL &&
	       (got = read(connection, request + length, sizeof(request) - 1 - length)) > 0) {
		length += (size_t)got;
		request[length] = '\0';
	}
	status = server->answer(request, &body, server->context);
	if (status != 0) {
		buffer_append_format(&answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
		                     status, body.length);
		buffer_append(&answer, body.data != NULL ? body.data : "", body.length);
		if (write(connection, answer.data, answer.length) < 0)
			perror("http_server");
	}
	buffer_free(&body);
	buffer_free(&answer);
	close(connection);
}

static void *run(void *context)
{
	const struct http_server *server = context;
	int connection;

	while ((connection = accept(server->socket, NULL, NULL)) >= 0)
		serve(server, connection);
	return NULL;
}

struct http_server *http_server_start(int port, http_answer *answer, void *context)
{
	struct http_server *server = memory_alloc(sizeof(*server));
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	const int on = 1;

	address.sin_port = htons((uint16_t)port);
	server->answer = answer;
	server->context = context;
	server->socket = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(server->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(server->socket, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(server->socket, 16) != 0 || getsockname(server->socket, (struct sockaddr *)&address, &length) != 0 ||
	    pthread_create(&server->thread, NULL, run, server) != 0) {
		perror("http_server");
		exit(1);
	}
	server->port = ntohs(address.sin_port);
	return server;
}

void http_server_stop(struct http_server *server)
{
	shutdown(server->socket, SHUT_RDWR);
	pthread_join(server->thread, NULL);
	close(server->socket);
	free(server);
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}
