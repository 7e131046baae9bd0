import Boundary
import CPNGShim

/// Reads and writes PNG files.
///
/// Encoding is deterministic: the compression level is fixed and no time is stored. So the same picture and texts give
/// the same bytes with the same libpng and zlib.
package enum PNGFile {
  /// zlib's default. Higher levels take much time and save one percent.
  private static let compressionLevel: Int32 = 6

  /// The bytes of a PNG file with these pixels and texts.
  package static func encode(_ image: RGBImage, texts: [PNGText] = []) throws(ImageError) -> [UInt8] {
    guard let width = UInt32(exactly: image.width), let height = UInt32(exactly: image.height),
      width <= Int32.max, height <= Int32.max
    else { throw .badSize(width: image.width, height: image.height, bytes: image.pixels.count) }
    let chunks = try TextChunks(texts)
    var bytes: UnsafeMutablePointer<UInt8>?
    var count = 0
    var message = [CChar](repeating: 0, count: png_shim_message_size)
    let result = chunks.withEntries { entries in
      image.pixels.withUnsafeBufferPointer { pixels in
        png_shim_encode(
          pixels.baseAddress, width, height, compressionLevel, entries.baseAddress, entries.count, &bytes,
          &count, &message)
      }
    }
    guard result == png_shim_ok, let bytes else {
      if result == png_shim_no_memory { throw .outOfMemory(name: "PNG") }
      throw .damaged(name: "PNG being written", reason: text(of: message))
    }
    defer { png_shim_free(bytes) }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }

  /// Writes a PNG to the file for a command's result.
  package static func write(_ image: RGBImage, texts: [PNGText] = [], to output: OutputFile)
    throws(ImageError)
  {
    try output.write(encode(image, texts: texts))
  }

  /// Writes a PNG. At any time, `path` has either the old file or the whole picture.
  package static func write(_ image: RGBImage, texts: [PNGText] = [], to path: String) throws(ImageError) {
    try AtomicFile.write(encode(image, texts: texts), to: path)
  }

  /// A PNG's pixels and texts.
  ///
  /// Every kind of PNG becomes 8-bit RGB as by PIL's `convert("RGB")`, which diffusers uses for initial images.
  /// Palettes and gray become RGB. Of 16 bits the upper 8 are taken, but in gray without alpha, values above 255 become
  /// 255. Alpha is dropped; the picture is not laid over white. Gamma and profiles are ignored. Messages name `name`.
  package static func decode(
    _ bytes: [UInt8], name: String = "PNG", limits: PNGLimits = PNGLimits()
  ) throws(ImageError) -> (image: RGBImage, texts: [PNGText]) {
    try decode(bytes, name: name, limits: limits, pixelsOnly: false)
  }

  private static func decode(
    _ bytes: [UInt8], name: String, limits: PNGLimits, pixelsOnly: Bool
  ) throws(ImageError) -> (image: RGBImage, texts: [PNGText]) {
    guard bytes.count <= limits.fileBytes else {
      throw .tooManyBytes(name: name, bytes: bytes.count, limit: limits.fileBytes)
    }
    // Swift 6.3 infers no typed throw through withUnsafeBufferPointer's rethrowing closure.
    let outcome: Result<(RGBImage, [PNGText]), ImageError> = bytes.withUnsafeBufferPointer { buffer in
      do throws(ImageError) {
        return .success(try decode(buffer, name: name, limits: limits, pixelsOnly: pixelsOnly))
      } catch {
        return .failure(error)
      }
    }
    let (image, texts) = try outcome.get()
    return (image, texts)
  }

  /// The same from a file.
  package static func read(
    _ path: String, limits: PNGLimits = PNGLimits()
  ) throws(ImageError) -> (image: RGBImage, texts: [PNGText]) {
    try decode(bytes(of: path, limits: limits), name: path, limits: limits)
  }

  private static func bytes(
    of path: String, limits: PNGLimits, first: Int = .max
  ) throws(ImageError) -> [UInt8] {
    do {
      return try FileBytes.read(path, limit: limits.fileBytes, first: first, within: .pictures)
    } catch {
      switch error {
      case .unreadable(let code): throw .unreadable(path: path, code: code)
      case .outside: throw .outside(path: path)
      case .tooLarge(let bytes): throw .tooManyBytes(name: path, bytes: bytes, limit: limits.fileBytes)
      }
    }
  }

  /// Only the pixels of a file, as `decode` makes them. Texts, profiles and other extras are skipped, because they may
  /// unpack to a thousand times their length.
  package static func readPixels(
    _ path: String, limits: PNGLimits = PNGLimits()
  ) throws(ImageError) -> RGBImage {
    try decode(bytes(of: path, limits: limits), name: path, limits: limits, pixelsOnly: true).image
  }

  /// The size of a file's picture, from its header.
  /// - Throws: what `read` throws for a file that it would refuse.
  package static func size(of path: String, limits: PNGLimits = PNGLimits()) throws(ImageError) -> (
    width: Int, height: Int
  ) {
    let head = try bytes(of: path, limits: limits, first: 24)
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    guard head.count == 24, Array(head[..<8]) == signature else {
      let image = try readPixels(path, limits: limits)
      return (image.width, image.height)
    }
    let (width, height) = (number(head[16..<20]), number(head[20..<24]))
    guard width > 0, height > 0, width <= limits.side, height <= limits.side,
      width * height <= limits.pixels
    else {
      let image = try readPixels(path, limits: limits)
      return (image.width, image.height)
    }
    return (width, height)
  }

  /// The bytes of memory that reading a file takes besides the file itself, from its header. For a file that is no PNG
  /// it is 0, because `read` refuses it.
  package static func pixelBytes(of path: String, limits: PNGLimits = PNGLimits()) throws(ImageError) -> Int {
    let head = try bytes(of: path, limits: limits, first: 24)
    guard head.count == 24 else { return 0 }
    let (width, height) = (number(head[16..<20]), number(head[20..<24]))
    guard width <= limits.side, height <= limits.side, width * height <= limits.pixels else { return 0 }
    return width * height * 3
  }

  /// The number in four bytes, the most significant first.
  private static func number(_ bytes: ArraySlice<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

  private static func decode(
    _ buffer: UnsafeBufferPointer<UInt8>, name: String, limits: PNGLimits, pixelsOnly: Bool
  ) throws(ImageError) -> (RGBImage, [PNGText]) {
    var opened: OpaquePointer?
    let result = png_shim_open(buffer.baseAddress, buffer.count, limits.shim(pixelsOnly: pixelsOnly), &opened)
    guard let reader = opened else { throw .outOfMemory(name: name) }
    defer { png_shim_close(reader) }
    let width = Int(png_shim_width(reader))
    let height = Int(png_shim_height(reader))
    func check(_ result: png_shim_result) throws(ImageError) {
      switch result {
      case png_shim_ok: return
      case png_shim_too_large: throw .tooLarge(name: name, width: width, height: height, limits: limits)
      case png_shim_no_memory: throw .outOfMemory(name: name)
      default: throw .damaged(name: name, reason: String(cString: png_shim_message(reader)))
      }
    }
    try check(result)
    guard let count = RGBImage.byteCount(width: width, height: height) else {
      throw .badSize(width: width, height: height, bytes: 0)
    }
    var outcome = png_shim_ok
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { target, filled in
      outcome = png_shim_read_rgb(reader, target.baseAddress)
      filled = outcome == png_shim_ok ? count : 0
    }
    try check(outcome)
    do {
      return (try RGBImage(width: width, height: height, pixels: pixels), texts(of: reader))
    } catch {
      throw .badSize(width: width, height: height, bytes: pixels.count)
    }
  }

  private static func texts(of reader: OpaquePointer) -> [PNGText] {
    (0..<png_shim_text_count(reader)).map { index in
      let entry = png_shim_text_at(reader, index)
      let keyword = latin1(entry.keyword, count: entry.keyword.map { String(cString: $0).utf8.count } ?? 0)
      let bytes = UnsafeRawBufferPointer(start: entry.text, count: entry.length)
      // Damaged UTF-8 is repaired. A damaged text is no reason to refuse a picture.
      let text =
        entry.is_utf8 != 0
        ? String(decoding: bytes, as: UTF8.self) : latin1(entry.text, count: entry.length)
      return PNGText(keyword: keyword, text: text)
    }
  }

  private static func latin1(_ start: UnsafePointer<CChar>?, count: Int) -> String {
    var text = String.UnicodeScalarView()
    for byte in UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count) {
      text.append(Unicode.Scalar(byte))
    }
    return String(text)
  }

  private static func text(of message: [CChar]) -> String {
    String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
