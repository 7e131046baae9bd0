import Tensors
import WeightCache

/// Decodes latents tile by tile, for pictures that would not fit the memory budget in one piece.
///
/// The layers at the latents' own size, among them attention over the whole picture, run once for all tiles. The rest
/// runs per tile. Tiles overlap, and neighbours are blended where they do.
///
/// Group normalization needs moments over the whole picture. Extra rounds over all tiles gather them; each round
/// normalizes with the moments of the round before.
package struct TiledDecoding {
  /// Latents along the edge of a tile.
  package let edge: Int

  package init(edge: Int) { self.edge = edge }

  /// Rounds that only gather moments. One round makes the first normalization exact; each further round brings the
  /// later ones closer.
  static let rounds = 2

  /// Lengths of a tile's edge to try, in latents, the largest first.
  static let edges = [192, 160, 128, 112, 96, 80, 64, 48]

  /// Latents by which neighbours overlap. A pixel of the usual decoder depends on latents up to half as far away.
  private var overlap: Int { min(24, edge / 2) }

  /// - Parameters:
  ///   - latents: `[1, height, width, latent]`.
  ///   - decoder: the VAE's.
  ///   - undoingNormalization: whether the VAE's scaling factor is divided out first.
  ///   - pass: threads and ledger.
  /// - Returns: `[1, height·f, width·f, 3]`.
  /// - Throws: what reading weights throws.
  package func decode(
    _ latents: Tensor, _ decoder: any LatentDecoder, undoingNormalization: Bool, _ pass: ForwardPass
  ) throws -> Tensor {
    let whole = try decoder.atLatentSize(latents, undoingNormalization: undoingNormalization, pass)
    let factor = decoder.pixelsPerLatent
    let (height, width) = (latents.shape[1], latents.shape[2])
    var picture = pass.compute.zeros(shape: [1, height * factor, width * factor, 3])
    let moments = GroupMoments()
    let sharing = pass.sharing(moments)
    for round in 0...Self.rounds {
      for row in spans(height) {
        for column in spans(width) {
          let cut = pass.compute.crop(whole, rows: row, columns: column)
          moments.restart(core: core(row, column, height: height, width: width))
          let tile = try decoder.toPixels(cut, sharing)
          guard round == Self.rounds else { continue }
          blend(tile, into: &picture, rows: row, columns: column, factor: factor, pass.compute)
        }
      }
      moments.publish()
    }
    return picture
  }

  /// The part of a tile whose moments count: up to the middle of each overlap, so that every pixel counts once.
  private func core(_ rows: Range<Int>, _ columns: Range<Int>, height: Int, width: Int) -> GroupMoments.Core {
    GroupMoments.Core(
      rows: share(rows, of: height), columns: share(columns, of: width), height: rows.count,
      width: columns.count)
  }

  private func share(_ span: Range<Int>, of length: Int) -> Range<Int> {
    let all = spans(length)
    guard let index = all.firstIndex(of: span) else { return 0..<span.count }
    let start = index == 0 ? 0 : (all[index - 1].upperBound + span.lowerBound) / 2
    let end = index == all.count - 1 ? length : (span.upperBound + all[index + 1].lowerBound) / 2
    return start - span.lowerBound..<end - span.lowerBound
  }

  /// Spans of at most `edge` latents that cover `length` and overlap evenly.
  package func spans(_ length: Int) -> [Range<Int>] {
    guard length > edge else { return [0..<length] }
    let count = (length - overlap + edge - overlap - 1) / (edge - overlap)
    return (0..<count).map { index in
      let start = index * (length - edge) / (count - 1)
      return start..<start + edge
    }
  }

  /// Writes a tile into the picture, with a smooth transition along its upper and left overlap.
  private func blend(
    _ tile: Tensor, into picture: inout Tensor, rows: Range<Int>, columns: Range<Int>, factor: Int,
    _ compute: Compute
  ) {
    if compute.plan != nil { return }
    let width = picture.shape[2]
    let (tileHeight, tileWidth) = (tile.shape[1], tile.shape[2])
    let ramp = Self.ramp(overlap * factor)
    let (top, left) = (rows.lowerBound * factor, columns.lowerBound * factor)
    tile.withUnsafe { tile in
      picture.withUnsafeMutable { picture in
        for y in 0..<tileHeight {
          let vertical = rows.lowerBound > 0 && y < ramp.count ? ramp[y] : 1
          for x in 0..<tileWidth {
            let share = vertical * (columns.lowerBound > 0 && x < ramp.count ? ramp[x] : 1)
            for channel in 0..<3 {
              let place = ((top + y) * width + left + x) * 3 + channel
              picture[place] += share * (tile[(y * tileWidth + x) * 3 + channel] - picture[place])
            }
          }
        }
      }
    }
  }

  /// A tile's share along an overlap, from 0 to 1. It is 0 in the outermost quarter, where the missing surroundings
  /// show, then rises smoothly.
  private static func ramp(_ length: Int) -> [Float] {
    (0..<length).map { index in
      let place = max(0, min(1, (Float(index) + 0.5 - Float(length) / 4) / (Float(length) / 2)))
      return place * place * (3 - 2 * place)
    }
  }
}
