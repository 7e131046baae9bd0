import CKernels

extension Compute {
  /// The mean of each group's tokens.
  /// - Parameters:
  ///   - x: `[batch, tokens, channel]`.
  ///   - groups: of these tokens.
  /// - Returns: `[batch, groups, channel]`.
  package func means(of x: Tensor, _ groups: TokenGroups) -> Tensor {
    let timing = self.timing(.elementwise, "means of tokens")
    defer { timing?.end() }
    let (batch, channels) = (x.shape[0], x.shape[2])
    precondition(groups.places.count == batch * x.shape[1], "groups of other tokens than \(x.shape)")
    return tensor(shape: [batch, groups.count, channels]) { result in
      x.withUnsafe { x in
        guard let x = x.baseAddress, let result = result.baseAddress else { return }
        forEachRange(batch * groups.count, grain: max(1, Self.elementGrain / channels)) { range in
          for place in range {
            let target = result + place * channels
            let tokens = groups.tokens[groups.starts[place]..<groups.starts[place + 1]]
            for (index, token) in tokens.enumerated() {
              let source = x + token * channels
              if index == 0 {
                target.update(from: source, count: channels)
              } else {
                segmoe_add_scaled(source, 1, target, channels)
              }
            }
            guard tokens.count > 1 else { continue }
            let count = Float(tokens.count)
            for channel in 0..<channels { target[channel] /= count }
          }
        }
      }
    }
  }

  /// result += for each token the row of its group.
  /// - Parameters:
  ///   - x: `[batch, groups, channel]`.
  ///   - groups: of the result's tokens.
  ///   - result: `[batch, tokens, channel]`.
  package func accumulate(_ x: Tensor, ofGroups groups: TokenGroups, into result: inout Tensor) {
    let timing = self.timing(.elementwise, "sum of groups")
    defer { timing?.end() }
    let channels = x.shape[2]
    precondition(
      groups.places.count * channels == result.count, "groups of other tokens than \(result.shape)")
    change(&result) { result, _ in
      x.withUnsafe { x in
        guard let x = x.baseAddress, let result = result.baseAddress else { return }
        forEachRange(groups.places.count, grain: max(1, Self.elementGrain / channels)) { range in
          for token in range {
            segmoe_add_scaled(x + groups.places[token] * channels, 1, result + token * channels, channels)
          }
        }
      }
    }
  }

  /// Rows of a product of `mostAlike`: so many that its tasks are whole, few enough that the cosines of all are never
  /// there at once.
  private static let comparedRows = 4 * productRows

  /// For each of some tokens of an image, the one of others that is most alike: by the cosine of the angle between them.
  /// In a plan, nothing is like anything.
  /// - Parameters:
  ///   - x: `[batch, tokens, channel]`.
  ///   - image: which of the batch.
  ///   - tokens: at least one.
  ///   - others: at least one.
  /// - Returns: for each of `tokens` the cosine, and the place in `others`: the first of those that are equally alike.
  package func mostAlike(_ x: Tensor, image: Int, _ tokens: [Int], among others: [Int]) -> (
    cosines: [Float], places: [Int]
  ) {
    let targets = directions(x, image: image, others)
    var cosines = [Float](repeating: -.infinity, count: tokens.count)
    var places = [Int](repeating: 0, count: tokens.count)
    for first in stride(from: 0, to: tokens.count, by: Self.comparedRows) {
      let some = Array(tokens[first..<min(tokens.count, first + Self.comparedRows)])
      let products = linear(directions(x, image: image, some), weight: targets)
      if products.isMeta { continue }
      let timing = self.timing(.elementwise, "most alike")
      defer { timing?.end() }
      products.withUnsafe { products in
        cosines.withUnsafeMutableBufferPointer { cosines in
          places.withUnsafeMutableBufferPointer { places in
            guard let products = products.baseAddress, let cosines = cosines.baseAddress,
              let places = places.baseAddress
            else { return }
            forEachRange(some.count, grain: max(1, Self.elementGrain / others.count)) { range in
              for row in range {
                let values = products + row * others.count
                var (best, place) = (-Float.infinity, 0)
                for index in 0..<others.count where values[index] > best {
                  (best, place) = (values[index], index)
                }
                cosines[first + row] = best
                places[first + row] = place
              }
            }
          }
        }
      }
    }
    return (cosines, places)
  }

  /// Some tokens of an image, each divided by its length: `[tokens, channel]`. One without a length stays zero.
  private func directions(_ x: Tensor, image: Int, _ tokens: [Int]) -> Tensor {
    let timing = self.timing(.elementwise, "directions of tokens")
    defer { timing?.end() }
    let (count, channels) = (x.shape[1], x.shape[2])
    return tensor(shape: [tokens.count, channels]) { result in
      x.withUnsafe { x in
        guard let x = x.baseAddress, let result = result.baseAddress else { return }
        forEachRange(tokens.count, grain: max(1, Self.elementGrain / channels)) { range in
          for row in range {
            let (source, target) = (x + (image * count + tokens[row]) * channels, result + row * channels)
            var squares = 0.0
            for channel in 0..<channels { squares += Double(source[channel]) * Double(source[channel]) }
            let length = Float(squares.squareRoot())
            for channel in 0..<channels { target[channel] = length > 0 ? source[channel] / length : 0 }
          }
        }
      }
    }
  }
}
