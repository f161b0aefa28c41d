/* test_http.c - requests and answers against a server in this process. */
#include "base/http.h"

#include "http_server.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static int answer(const char *request, struct buffer *body, void *context)
{
	(void)context;
	if (strstr(request, "GET /closed ") == request)
		return 0;
	if (strstr(request, "GET /secret ") == request && strstr(request, "Basic YW5uOnB3") == NULL) /* ann:pw */
		return 401;
	if (strstr(request, "PUT /echo ") == request) {
		ck_assert_ptr_nonnull(strstr(request, "Content-Type: application/json"));
		buffer_append_text(body, "put");
		return 201;
	}
	buffer_append_text(body, "{}");
	return strstr(request, "GET /missing ") == request ? 404 : 200;
}

static struct http_server *server;
static char url[128];

static void setup(void)
{
	server = http_server_start(0, answer, NULL);
}

static void teardown(void)
{
	http_server_stop(server);
}

static const char *at(const char *path)
{
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", http_server_port(server), path);
	return url;
}

static void expect(struct http_request request, int status, const char *body)
{
	struct http_response response;

	ck_assert_ptr_null(http_send(&request, &response));
	ck_assert_int_eq(response.status, status);
	ck_assert_str_eq(response.body.data, body);
	buffer_free(&response.body);
}

START_TEST(test_statuses_and_bodies)
{
	expect((struct http_request){.url = at("/")}, 200, "{}");
	expect((struct http_request){.url = at("/missing")}, 404, "{}");
	expect((struct http_request){.method = "PUT", .url = at("/echo"), .body = "{\"a\":1}"}, 201, "put");
}
END_TEST

START_TEST(test_basic_authentication)
{
	expect((struct http_request){.url = at("/secret")}, 401, "");
	expect((struct http_request){.url = at("/secret"), .user = "ann", .password = "pw"}, 200, "{}");
}
END_TEST

static void expect_error(const char *address, enum error_class class)
{
	struct http_request request = {.url = address, .timeout_ms = 5000};
	struct http_response response;
	struct error *error = http_send(&request, &response);

	ck_assert_ptr_nonnull(error);
	ck_assert_msg(error->class == class, "%s", error->message);
	ck_assert_msg(strstr(error->message, "pw") == NULL, "%s", error->message);
	error_free(error);
}

START_TEST(test_no_answer)
{
	expect_error(at("/closed"), ERROR_TRANSIENT);
	expect_error("http://ann:pw@127.0.0.1:9/?token=pw", ERROR_TRANSIENT);
	expect_error("ftp://127.0.0.1/", ERROR_CONFIGURATION);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("http");
	TCase *cases = tcase_create("http");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(cases, setup, teardown);
	tcase_add_test(cases, test_statuses_and_bodies);
	tcase_add_test(cases, test_basic_authentication);
	tcase_add_test(cases, test_no_answer);
	suite_add_tcase(suite, cases);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
