#include "curl_shim.h"

CURLcode curl_shim_begin(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

CURLcode curl_shim_set_long(CURL *handle, CURLoption option, long value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode curl_shim_set_offset(CURL *handle, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode curl_shim_set_text(CURL *handle, CURLoption option, const char *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode curl_shim_set_list(CURL *handle, CURLoption option, struct curl_slist *value) {
  return curl_easy_setopt(handle, option, value);
}

CURLcode curl_shim_set_error_buffer(CURL *handle, char *buffer) {
  return curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, buffer);
}

CURLcode curl_shim_on_header(CURL *handle, curl_write_callback function, void *context) {
  const CURLcode code = curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, function);
  return code ? code : curl_easy_setopt(handle, CURLOPT_HEADERDATA, context);
}

CURLcode curl_shim_on_body(CURL *handle, curl_write_callback function, void *context) {
  const CURLcode code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, function);
  return code ? code : curl_easy_setopt(handle, CURLOPT_WRITEDATA, context);
}

CURLcode curl_shim_on_read(CURL *handle, curl_read_callback function, void *context) {
  const CURLcode code = curl_easy_setopt(handle, CURLOPT_READFUNCTION, function);
  return code ? code : curl_easy_setopt(handle, CURLOPT_READDATA, context);
}

CURLcode curl_shim_on_seek(CURL *handle, curl_seek_callback function, void *context) {
  const CURLcode code = curl_easy_setopt(handle, CURLOPT_SEEKFUNCTION, function);
  return code ? code : curl_easy_setopt(handle, CURLOPT_SEEKDATA, context);
}

CURLcode curl_shim_on_progress(CURL *handle, curl_xferinfo_callback function, void *context) {
  CURLcode code = curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  if (!code) code = curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, function);
  return code ? code : curl_easy_setopt(handle, CURLOPT_XFERINFODATA, context);
}

CURLcode curl_shim_get_long(CURL *handle, CURLINFO info, long *value) {
  return curl_easy_getinfo(handle, info, value);
}
