/* service.c - see service.h */
#include "ops/service.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/lsn.h"
#include "base/memory.h"

#define STEP_MS 100
#define INTERVAL_US 1000000
#define STUCK_US INT64_C(30000000) /* the main thread's loop turns every second */

struct service {
	const struct config *config;
	void (*fill)(void *context, struct ops_view *view);
	void *context;
	int socket;
	struct sockaddr_un address;
	socklen_t address_length;
	bool watchdog;
	int64_t interval_us;
	pthread_t thread;
	atomic_bool stop;
	char said[200]; /* the last status */
};

/* False: no socket that we could send to. */
static bool open_socket(struct service *service, const char *path)
{
	size_t length = strlen(path);

	if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(service->address.sun_path))
		return false;
	service->address.sun_family = AF_UNIX;
	memcpy(service->address.sun_path, path, length);
	if (path[0] == '@')
		service->address.sun_path[0] = '\0'; /* Linux's abstract names */
	service->address_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	service->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return service->socket >= 0;
}

static void tell(const struct service *service, const char *text)
{
	ssize_t sent;

	do
		sent = sendto(service->socket, text, strlen(text), MSG_NOSIGNAL,
		              (const struct sockaddr *)&service->address, service->address_length);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		log_debug("the service manager does not listen: %s", strerror(errno));
}

static void tell_status(struct service *service, const struct ops_view *view)
{
	char text[sizeof(service->said)], lsn[LSN_TEXT_SIZE];
	const char *why;

	lsn_format(view->applier.last_commit_lsn, lsn);
	if (ops_is_ready(view, &why))
		snprintf(text, sizeof(text), "STATUS=running, at commit LSN %s", lsn);
	else
		snprintf(text, sizeof(text), "STATUS=%s", why);
	if (strcmp(text, service->said) == 0)
		return;
	memcpy(service->said, text, sizeof(text));
	tell(service, text);
}

static void look(struct service *service)
{
	struct ops_view view = {.config = service->config};

	service->fill(service->context, &view);
	tell_status(service, &view);
	if (service->watchdog && (view.state != OPS_RUNNING || clock_monotonic_us() - view.beat_us < STUCK_US))
		tell(service, "WATCHDOG=1");
}

static void *service_main(void *argument)
{
	struct service *service = argument;
	int64_t next_us = 0;

	while (!atomic_load(&service->stop)) {
		if (clock_monotonic_us() >= next_us) {
			look(service);
			next_us = clock_monotonic_us() + service->interval_us;
		}
		clock_sleep_ms(STEP_MS);
	}
	return NULL;
}

/* A third of the time that systemd waits, at most a second. Only when it is meant for this process. */
static void read_watchdog(struct service *service)
{
	const char *microseconds = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	int64_t limit_us = microseconds == NULL ? 0 : strtoll(microseconds, NULL, 10);

	service->interval_us = INTERVAL_US;
	service->watchdog = limit_us > 0 && (pid == NULL || strtoll(pid, NULL, 10) == (long long)getpid());
	if (service->watchdog && limit_us / 3 < service->interval_us)
		service->interval_us = limit_us / 3;
}

struct service *service_start(const struct config *config, void (*fill)(void *context, struct ops_view *view),
                              void *context)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct service *service;

	if (path == NULL || *path == '\0')
		return NULL;
	service = memory_alloc(sizeof(*service));
	service->config = config;
	service->fill = fill;
	service->context = context;
	if (!open_socket(service, path)) {
		log_warning("NOTIFY_SOCKET names no socket that can be told anything");
		free(service);
		return NULL;
	}
	read_watchdog(service);
	tell(service, "READY=1");
	if (pthread_create(&service->thread, NULL, service_main, service) == 0)
		return service;
	log_warning("no thread to tell the service manager of the watchdog");
	close(service->socket);
	free(service);
	return NULL;
}

void service_stop(struct service *service)
{
	if (service == NULL)
		return;
	tell(service, "STOPPING=1");
	atomic_store(&service->stop, true);
	pthread_join(service->thread, NULL);
	close(service->socket);
	free(service);
}
