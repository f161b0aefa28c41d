/*
 * http.c - see http.h
 *
 * NOTES
 *   A handle a request: the requests are rare (one for each schema, a few for each command), so nothing is kept.
 */
#include "base/http.h"

#include "base/signals.h"

#include <curl/curl.h>
#include <pthread.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define CONNECT_TIMEOUT_MS 10000
#define BODY_LIMIT ((size_t)64 << 20)

static void initialize(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static size_t take_body(char *data, size_t size, size_t count, void *context)
{
	struct buffer *body = context;

	if (size * count > BODY_LIMIT - body->length)
		return 0; /* ends the request */
	buffer_append(body, data, size * count);
	return size * count;
}

static int look_for_stop(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)context;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return signals_stop_requested();
}

void http_url_shown(const char *url, struct buffer *text)
{
	const char *host = strstr(url, "://");
	const char *end = url + strcspn(url, "?#");
	const char *at;

	host = host == NULL ? url : host + 3;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	buffer_append(text, url, (size_t)(host - url));
	host = at == NULL ? host : at + 1;
	buffer_append(text, host, (size_t)(end - host));
}

static struct error *failure(CURLcode code, const char *url)
{
	struct buffer shown = {0};
	struct error *error;
	enum error_class class = ERROR_TRANSIENT;

	switch (code) {
	case CURLE_ABORTED_BY_CALLBACK:
		return error_new(ERROR_INTERRUPTED, "a stop was asked for");
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		class = ERROR_CONFIGURATION;
		break;
	default:
		break;
	}
	http_url_shown(url, &shown);
	error = error_new(class, "%s: %s", shown.data, curl_easy_strerror(code));
	buffer_free(&shown);
	return error;
}

static struct curl_slist *set_headers(CURL *handle, const struct http_request *request)
{
	struct buffer accept = {0};
	struct curl_slist *headers;

	buffer_append_format(&accept, "Accept: %s", request->accept != NULL ? request->accept : "application/json");
	headers = curl_slist_append(NULL, accept.data);
	buffer_free(&accept);
	if (request->body != NULL)
		headers = curl_slist_append(headers, "Content-Type: application/json");
	curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
	return headers;
}

static void set_request(CURL *handle, const struct http_request *request)
{
	curl_easy_setopt(handle, CURLOPT_URL, request->url);
	curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
	                 (long)(request->timeout_ms > 0 ? request->timeout_ms : TIMEOUT_MS));
	curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, look_for_stop);
	if (request->user != NULL) {
		curl_easy_setopt(handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(handle, CURLOPT_USERNAME, request->user);
		curl_easy_setopt(handle, CURLOPT_PASSWORD, request->password != NULL ? request->password : "");
	}
	if (request->ca_file != NULL)
		curl_easy_setopt(handle, CURLOPT_CAINFO, request->ca_file);
	if (request->body != NULL)
		curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body);
	if (request->method != NULL)
		curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method);
}

struct error *http_send(const struct http_request *request, struct http_response *response)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	CURL *handle;
	CURLcode code;
	struct curl_slist *headers;
	long status = 0;

	pthread_once(&once, initialize);
	memset(response, 0, sizeof(*response));
	handle = curl_easy_init();
	if (handle == NULL)
		return error_new(ERROR_SYSTEM, "libcurl gives no handle");
	set_request(handle, request);
	headers = set_headers(handle, request);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, &response->body);
	buffer_reserve(&response->body, 1);
	response->body.data[0] = '\0';
	code = curl_easy_perform(handle);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	response->status = (int)status;
	curl_slist_free_all(headers);
	curl_easy_cleanup(handle);
	if (code == CURLE_OK)
		return NULL;
	buffer_free(&response->body);
	return failure(code, request->url);
}
