import Images
import Requests

extension DiffusionModel {
  /// The default size of a picture: the UNet's `sample_size` times the VAE's factor (diffusers'
  /// `default_sample_size`).
  package var defaultSize: PixelSize {
    let edge = unet.configuration.sampleSize * decoder.pixelsPerLatent
    return PixelSize(width: edge, height: edge)
  }

  /// The size that a request is rendered at: the size that it names, else that of its starting picture, rounded down
  /// to the multiple that the model needs, else the model's default.
  /// - Throws: `ImageError` for a starting picture that cannot be read.
  package func size(of request: RenderRequest) throws -> PixelSize {
    var size = defaultSize
    if let path = request.initImage, request.width == nil || request.height == nil {
      let own = try PNGFile.size(of: path)
      let multiple = decoder.pixelsPerLatent
      size.width = max(multiple, own.width / multiple * multiple)
      size.height = max(multiple, own.height / multiple * multiple)
    }
    return PixelSize(width: request.width ?? size.width, height: request.height ?? size.height)
  }

  /// A request with its files read, for its first picture.
  /// - Parameters:
  ///   - request: what is asked for.
  ///   - makeRoom: called before a starting picture is read, with the bytes of memory that this takes, and the request
  ///     with an empty picture in its place, for a plan.
  /// - Throws: `CheckpointError` and `ImageError` for files that cannot be read.
  package func picture(
    _ request: RenderRequest, makeRoom: (Int, PictureRequest) throws -> Void = { _, _ in }
  ) throws -> PictureRequest {
    let size = try size(of: request)
    var picture = PictureRequest(request, width: size.width, height: size.height)
    picture.words = try request.embeddings.map { try TextualInversion(path: $0.path, token: $0.token) }
    if let image = request.initImage {
      var unread = picture
      let nothing = try RGBImage(width: 1, height: 1, pixels: [0, 0, 0])
      unread.source = SourcePicture(image: nothing, mask: request.mask.map { _ in nothing })
      try makeRoom(
        SourcePicture.readingBytes(
          imageFile: image, maskFile: request.mask, width: size.width, height: size.height), unread)
      picture.source = try SourcePicture(
        imageFile: image, maskFile: request.mask, width: size.width, height: size.height)
    }
    return picture
  }
}
