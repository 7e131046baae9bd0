import Foundation
import Tensors

extension Tensor {
  /// This noise, turned toward another one: `slerp` of AUTOMATIC1111's `modules/rng.py`, column by column.
  ///
  /// There a latent has the shape `[channel, height, width]`, and dimension 1 is the height. So what is turned are the
  /// columns of each channel, each by an angle of its own. Noises that nearly are the same (the mean of the cosines is
  /// above 0.9995) are mixed there with the shares exchanged; that is kept, too.
  ///
  /// Columns of one row have no angle but 0 and 180 degrees, of which the original makes something that is no number.
  /// Here they are mixed.
  /// - Parameters:
  ///   - other: of the same shape, `[1, height, width, channel]`.
  ///   - share: 0 to 1: how far.
  package func turned(toward other: Tensor, by share: Double) -> Tensor {
    let (height, columns) = (shape[1], shape[2] * shape[3])
    return Tensor(shape: shape) { result in
      withUnsafe { low in
        other.withUnsafe { high in
          let cosines = (0..<columns).map { column -> Double in
            var (dot, lowSquare, highSquare) = (0.0, 0.0, 0.0)
            for row in 0..<height {
              let (a, b) = (Double(low[row * columns + column]), Double(high[row * columns + column]))
              dot += a * b
              lowSquare += a * a
              highSquare += b * b
            }
            return dot / (lowSquare * highSquare).squareRoot()
          }
          let areAlike = cosines.reduce(0, +) / Double(columns) > 0.9995
          for column in 0..<columns {
            let (lowShare, highShare) =
              areAlike ? (share, 1 - share) : Self.shares(ofAngle: cosines[column], share)
            for index in stride(from: column, to: height * columns, by: columns) {
              result[index] = Float(lowShare * Double(low[index]) + highShare * Double(high[index]))
            }
          }
        }
      }
    }
  }

  /// What a column is made of.
  private static func shares(ofAngle cosine: Double, _ share: Double) -> (low: Double, high: Double) {
    let angle = acos(min(1, max(-1, cosine)))
    let sine = sin(angle)
    guard sine > 1e-6 else { return (1 - share, share) }
    return (sin((1 - share) * angle) / sine, sin(share * angle) / sine)
  }
}
