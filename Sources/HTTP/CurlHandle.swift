import CCurlShim
import Glibc
import Requests

/// One of libcurl's easy handles. The transport lends it to one thread at a time.
final class CurlHandle: @unchecked Sendable {
  private let handle: UnsafeMutableRawPointer
  private let message = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
  private var list: UnsafeMutablePointer<curl_slist>?
  /// Kept alive while libcurl has a pointer to it.
  private var transfer: CurlTransfer?

  init?() {
    guard let handle = curl_easy_init() else { return nil }
    self.handle = handle
    message.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    curl_easy_cleanup(handle)
    curl_slist_free_all(list)
    message.deallocate()
  }

  /// Sets everything that `request` needs. Results of calls that cannot fail are not checked.
  func prepare(for request: HTTPRequest, trust: CurlTransport.Trust, transfer: CurlTransfer) {
    curl_easy_reset(handle)
    message.pointee = 0
    self.transfer = transfer
    set(CURLOPT_URL, request.address.text)
    set(CURLOPT_PROTOCOLS_STR, "https,http")
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_NETRC, 0)
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_BUFFERSIZE, 512 << 10)
    set(CURLOPT_UPLOAD_BUFFERSIZE, 512 << 10)
    set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
    set(CURLOPT_CONNECTTIMEOUT, request.patience.connecting)
    set(CURLOPT_LOW_SPEED_LIMIT, 1)
    set(CURLOPT_LOW_SPEED_TIME, request.patience.silence)
    if let total = request.patience.total { set(CURLOPT_TIMEOUT, total) }
    if let file = trust.certificates { set(CURLOPT_CAINFO, file) }
    if let folder = trust.folder { set(CURLOPT_CAPATH, folder) }
    _ = curl_shim_set_error_buffer(handle, message)
    if let signing = request.signing {
      set(CURLOPT_AWS_SIGV4, "aws:amz:\(signing.region):\(signing.service)")
      set(CURLOPT_USERNAME, signing.key)
      set(CURLOPT_PASSWORD, signing.secret)
    }
    setMethod(of: request, transfer)
    setHeaders(of: request)
    setCallbacks(transfer)
  }

  private func setMethod(of request: HTTPRequest, _ transfer: CurlTransfer) {
    switch request.method {
    case .get: set(CURLOPT_HTTPGET, 1)
    case .head: set(CURLOPT_NOBODY, 1)
    case .delete:
      set(CURLOPT_HTTPGET, 1)
      set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    case .put:
      set(CURLOPT_UPLOAD, 1)
      _ = curl_shim_set_offset(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(transfer.bodyCount ?? 0))
    case .post:
      set(CURLOPT_POST, 1)
      _ = curl_shim_set_offset(handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(transfer.bodyCount ?? 0))
    }
  }

  private func setHeaders(of request: HTTPRequest) {
    curl_slist_free_all(list)
    list = nil
    // Without "Expect:", libcurl would ask the server before it sends a body, and storage may not answer. Where it signs,
    // it would sign that line and then not send it; S3 answers, and refuses what it has before the body is sent.
    let rest = request.signing == nil ? ["Expect:"] : []
    for line in request.headers.map({ "\($0.name): \($0.value)" }) + rest {
      list = curl_slist_append(list, line)
    }
    _ = curl_shim_set_list(handle, CURLOPT_HTTPHEADER, list)
  }

  private func setCallbacks(_ transfer: CurlTransfer) {
    let context = Unmanaged.passUnretained(transfer).toOpaque()
    _ = curl_shim_on_header(
      handle,
      { bytes, size, count, context in
        guard let context else { return 0 }
        let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
        Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().takeHeader(line)
        return line.count
      }, context)
    _ = curl_shim_on_body(
      handle,
      { bytes, size, count, context in
        guard let context else { return 0 }
        let body = UnsafeRawBufferPointer(start: bytes, count: size * count)
        let goesOn = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().takeBody(body)
        return goesOn ? body.count : Int(CURL_WRITEFUNC_ERROR)
      }, context)
    _ = curl_shim_on_read(
      handle,
      { room, size, count, context in
        guard let context else { return Int(CURL_READFUNC_ABORT) }
        let room = UnsafeMutableRawBufferPointer(start: room, count: size * count)
        let given = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().give(room)
        return given ?? Int(CURL_READFUNC_ABORT)
      }, context)
    _ = curl_shim_on_seek(
      handle,
      { context, offset, origin in
        guard let context, origin == SEEK_SET else { return CURL_SEEKFUNC_FAIL }
        Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().seek(to: Int(offset))
        return CURL_SEEKFUNC_OK
      }, context)
    _ = curl_shim_on_progress(
      handle,
      { context, _, _, _, _ in
        guard let context else { return 1 }
        return Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue().isStopped ? 1 : 0
      }, context)
  }

  /// Sends the request and waits for the answer.
  func perform() -> CURLcode { curl_easy_perform(handle) }

  /// The error for a code of the last request.
  func error(_ code: CURLcode, host: String) -> TransportError {
    var reason = String(String(cString: message).trimming(while: \.isWhitespace))
    if reason.isEmpty { reason = String(cString: curl_easy_strerror(code)) }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT:
      return .unreachable(host: host, reason: reason)
    case CURLE_OPERATION_TIMEDOUT: return .silent(host: host, reason: reason)
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
      return .untrusted(host: host, reason: reason)
    case CURLE_PARTIAL_FILE, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_GOT_NOTHING, CURLE_HTTP2,
      CURLE_HTTP2_STREAM, CURLE_SSL_CONNECT_ERROR:
      return .broken(host: host, reason: reason)
    default: return .refused(host: host, reason: reason)
    }
  }

  private func set(_ option: CURLoption, _ value: Int) { _ = curl_shim_set_long(handle, option, value) }

  private func set(_ option: CURLoption, _ value: String) { _ = curl_shim_set_text(handle, option, value) }
}
