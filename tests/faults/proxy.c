/*
 * proxy.c - a TCP proxy with a delay line, for the fault runs: stands between two parts and does as its orders say.
 *
 *   proxy PORT TO_PORT ORDERS     listens on 127.0.0.1:PORT, forwards to 127.0.0.1:TO_PORT
 *
 * ORDERS is a file with one line, looked for twenty times a second; it is ORDERS.taken, and gone once they are followed:
 *   open            forward at once
 *   delay MS        each byte leaves MS milliseconds after it came, in both directions
 *   stall           nothing is forwarded and nothing is closed: a network that swallows packets
 *   cut             all connections are closed, new ones are closed at once
 *   torn BYTES      each connection is closed after so many more bytes, in the midst of whatever is sent then
 *   lost client     the clients' ends of the connections at hand are closed, the servers are not told until the next order
 *   lost server     likewise, the other way round
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS_MOST = 500, PIECE_BYTES = 65536, WAITING_MOST = 4 << 20, LOOK_MS = 50 };

struct piece {
	struct piece *next;
	int64_t due_ms;
	size_t length, sent;
	char data[];
};

struct half { /* one direction: what came from `in` waits to go to `out` */
	int in, out;
	struct piece *first, **last;
	size_t waiting;
	bool ended; /* `in` sent its last byte */
	bool shut;
};

enum end { CLIENT, SERVER, NEITHER };

struct pair {
	struct half halves[2]; /* [CLIENT].in is the client's socket */
	size_t left;           /* bytes until it tears, when torn */
	enum end lost;         /* its socket is closed; nothing is forwarded, the other one is left open */
};

static struct pair pairs[PAIRS_MOST];
static size_t pair_count;
static int64_t delay_ms;
static bool stalled, cut, torn;
static size_t tear_after;
static enum end losing = NEITHER;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sockaddr_in local(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void set_up(int socket)
{
	int on = 1;

	fcntl(socket, F_SETFL, fcntl(socket, F_GETFL) | O_NONBLOCK);
	setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void take_connection(int listener, int to_port)
{
	struct sockaddr_in to = local(to_port);
	int client = accept(listener, NULL, NULL);
	int server;

	if (client < 0)
		return;
	server = socket(AF_INET, SOCK_STREAM, 0);
	if (cut || pair_count == PAIRS_MOST || server < 0 || connect(server, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	set_up(client);
	set_up(server);
	pairs[pair_count] = (struct pair){.halves = {{.in = client, .out = server}, {.in = server, .out = client}},
	                                  .left = tear_after,
	                                  .lost = NEITHER};
	pair_count++;
}

static void end_pair(size_t number)
{
	for (int i = 0; i < 2; i++) {
		struct half *half = &pairs[number].halves[i];

		if (pairs[number].lost != (enum end)i)
			close(half->in);
		while (half->first != NULL) {
			struct piece *next = half->first->next;

			free(half->first);
			half->first = next;
		}
	}
	pairs[number] = pairs[--pair_count];
}

/* What an order means for the connections that are there. */
static void apply_to_pairs(void)
{
	for (size_t i = pair_count; i-- > 0;) {
		pairs[i].left = tear_after;
		if (pairs[i].lost != NEITHER) {
			end_pair(i);
		} else if (losing != NEITHER) {
			close(pairs[i].halves[losing].in);
			pairs[i].lost = losing;
		}
	}
}

static void read_orders(const char *file)
{
	char line[40] = "", taken[PATH_MAX];
	char word[16] = "", more[16] = "";
	FILE *orders;

	snprintf(taken, sizeof(taken), "%s.taken", file);
	if (rename(file, taken) != 0 || (orders = fopen(taken, "r")) == NULL)
		return;
	if (fgets(line, sizeof(line), orders) != NULL && sscanf(line, "%15s %15s", word, more) >= 1) {
		stalled = strcmp(word, "stall") == 0;
		cut = strcmp(word, "cut") == 0;
		delay_ms = strcmp(word, "delay") == 0 ? atol(more) : 0;
		torn = strcmp(word, "torn") == 0;
		tear_after = torn ? (size_t)atol(more) : 0;
		losing = strcmp(word, "lost") != 0 ? NEITHER : strcmp(more, "client") == 0 ? CLIENT : SERVER;
		apply_to_pairs();
	}
	fclose(orders);
	unlink(taken); /* who gave them waits for that */
}

/* False: the connection broke. */
static bool take_bytes(struct half *half)
{
	struct piece *piece = malloc(sizeof(*piece) + PIECE_BYTES);
	ssize_t count;

	if (piece == NULL)
		return false;
	count = read(half->in, piece->data, PIECE_BYTES);
	if (count <= 0) {
		free(piece);
		if (count == 0)
			half->ended = true;
		return count == 0 || errno == EAGAIN || errno == EINTR;
	}
	piece->next = NULL;
	piece->due_ms = now_ms() + delay_ms;
	piece->length = (size_t)count;
	piece->sent = 0;
	if (half->first == NULL)
		half->first = piece;
	else
		*half->last = piece;
	half->last = &piece->next;
	half->waiting += piece->length;
	return true;
}

static bool give_bytes(struct pair *pair, struct half *half)
{
	while (half->first != NULL && half->first->due_ms <= now_ms()) {
		struct piece *piece = half->first;
		size_t length = piece->length - piece->sent;
		ssize_t count =
		    write(half->out, piece->data + piece->sent, torn && length > pair->left ? pair->left : length);

		if (count < 0)
			return errno == EAGAIN || errno == EINTR;
		if (torn && (pair->left -= (size_t)count) == 0)
			return false;
		piece->sent += (size_t)count;
		half->waiting -= (size_t)count;
		if (piece->sent < piece->length)
			return true;
		half->first = piece->next;
		free(piece);
	}
	if (half->ended && half->first == NULL && !half->shut) {
		half->shut = true;
		shutdown(half->out, SHUT_WR);
	}
	return true;
}

static short interest(const struct half *in, const struct half *out)
{
	bool room = !in->ended && in->waiting < WAITING_MOST;
	bool due = out->first != NULL && out->first->due_ms <= now_ms();

	return (short)((room ? POLLIN : 0) | (due ? POLLOUT : 0));
}

static void serve(int listener, int to_port)
{
	static struct pollfd sockets[1 + 2 * PAIRS_MOST];
	size_t count = stalled ? 0 : pair_count;

	sockets[0] = (struct pollfd){.fd = listener, .events = POLLIN};
	for (size_t i = 0; i < count; i++)
		for (int k = 0; k < 2; k++)
			sockets[1 + 2 * i + (size_t)k] =
			    (struct pollfd){.fd = pairs[i].lost == NEITHER ? pairs[i].halves[k].in : -1,
			                    .events = interest(&pairs[i].halves[k], &pairs[i].halves[1 - k])};
	poll(sockets, 1 + 2 * count, delay_ms > 0 ? 2 : LOOK_MS);
	for (size_t i = count; i-- > 0;) {
		bool good = true;

		for (int k = 0; k < 2 && good && pairs[i].lost == NEITHER; k++) {
			short events = sockets[1 + 2 * i + (size_t)k].revents;
			struct half *half = &pairs[i].halves[k];

			if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !half->ended)
				good = take_bytes(half);
			if (good)
				good = give_bytes(&pairs[i], half);
			if ((events & POLLERR) != 0)
				good = false;
		}
		if (!good || (pairs[i].halves[0].shut && pairs[i].halves[1].shut))
			end_pair(i);
	}
	if ((sockets[0].revents & POLLIN) != 0 && !stalled)
		take_connection(listener, to_port);
	else if (stalled)
		poll(NULL, 0, LOOK_MS);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int on = 1;
	int64_t next_look_ms = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: proxy PORT TO_PORT ORDERS\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	here = local(atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0 || listen(listener, 64) != 0) {
		perror("proxy");
		return 1;
	}
	fcntl(listener, F_SETFL, O_NONBLOCK);
	for (;;) {
		if (now_ms() >= next_look_ms) {
			read_orders(argv[3]);
			next_look_ms = now_ms() + LOOK_MS;
		}
		while (cut && pair_count > 0)
			end_pair(pair_count - 1);
		serve(listener, atoi(argv[2]));
	}
}
