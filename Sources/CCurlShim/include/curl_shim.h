// libcurl's variadic calls, one for each kind of value: Swift can't call variadic functions, and a value of the
// wrong width is no error there.
#ifndef CURL_SHIM_H
#define CURL_SHIM_H

#include <curl/curl.h>

/// Starts libcurl; once a process, before anything else.
CURLcode curl_shim_begin(void);

CURLcode curl_shim_set_long(CURL *handle, CURLoption option, long value);
CURLcode curl_shim_set_offset(CURL *handle, CURLoption option, curl_off_t value);
/// The text is copied.
CURLcode curl_shim_set_text(CURL *handle, CURLoption option, const char *value);
/// The list must live until the transfer has ended.
CURLcode curl_shim_set_list(CURL *handle, CURLoption option, struct curl_slist *value);
/// At least CURL_ERROR_SIZE bytes, which must outlive the handle or its next reset.
CURLcode curl_shim_set_error_buffer(CURL *handle, char *buffer);

/// A function that libcurl hands bytes to (headers or the body), or takes them from; with what it is given back.
CURLcode curl_shim_on_header(CURL *handle, curl_write_callback function, void *context);
CURLcode curl_shim_on_body(CURL *handle, curl_write_callback function, void *context);
CURLcode curl_shim_on_read(CURL *handle, curl_read_callback function, void *context);
CURLcode curl_shim_on_seek(CURL *handle, curl_seek_callback function, void *context);
/// Called some times a second; anything but 0 ends the transfer.
CURLcode curl_shim_on_progress(CURL *handle, curl_xferinfo_callback function, void *context);

CURLcode curl_shim_get_long(CURL *handle, CURLINFO info, long *value);

#endif
