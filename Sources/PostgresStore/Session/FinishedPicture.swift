import JobStore

/// An image as `take_images` reads it.
struct FinishedPicture: Encodable {
  let number: Int
  let path: String
  let seed: Int64
  let width: Int
  let height: Int
  let digest: String
  let bytes: Int64
  let seconds: Double
  let numerics: String?

  init(_ image: ImageRecord) {
    (number, path, seed) = (image.index, image.path, Int64(bitPattern: image.seed))
    (width, height, digest, bytes) = (image.width, image.height, image.digest, image.bytes)
    (seconds, numerics) = (image.seconds, image.numerics)
  }
}
