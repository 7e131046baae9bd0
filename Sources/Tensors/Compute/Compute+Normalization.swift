import CKernels

extension Compute {
  /// Group normalization over positions and the channels of a group, per image.
  /// - Parameters:
  ///   - x: `[batch, …, channel]`.
  ///   - groups: how many the channels are split into.
  ///   - weight: `[channel]`.
  ///   - bias: `[channel]`.
  ///   - epsilon: added to the variance.
  ///   - silu: whether SiLU follows, in the same pass.
  package func groupNorm(
    _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool = false
  ) -> Tensor {
    let timing = self.timing(.normalization, groupLabel(x, channels: weight.count))
    defer { timing?.end() }
    let affine = groupAffine(x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
    return apply(affine, to: x)
  }

  /// What `groupNorm` does to each channel. Only the sums are taken here: what reads `x` next can do the rest on the way.
  /// - Parameters:
  ///   - x: `[batch, …, channel]`.
  ///   - groups: how many the channels are split into.
  ///   - weight: `[channel]`.
  ///   - bias: `[channel]`.
  ///   - epsilon: added to the variance.
  ///   - silu: whether SiLU follows.
  package func groupAffine(
    _ x: Tensor, groups: Int, weight: Tensor, bias: Tensor, epsilon: Float, silu: Bool
  ) -> ChannelAffine {
    let batch = x.shape[0]
    let channels = weight.count
    let positions = x.count / batch / channels
    let timing = self.timing(.normalization, groupLabel(x, channels: channels))
    defer { timing?.end() }
    var affine = ChannelAffine(channels: channels, positions: positions, silu: silu)
    // Sums are taken over fixed pieces and added in their order. So any number of threads gives the same bits.
    let counted = countedSpans(of: x, positions: positions, grain: max(1, Self.elementGrain / channels))
    let sumCount = batch * counted.count * 2 * channels
    working(in: sumCount * MemoryLayout<Double>.stride) { temporary in
      let base = temporary.bindMemory(to: Double.self, capacity: sumCount)
      x.withUnsafe { x in
        guard let x = x.baseAddress else { return }
        pool.run(batch * counted.count) { task in
          let (image, span) = (task / counted.count, counted[task % counted.count])
          let sums = base + task * 2 * channels
          sums.initialize(repeating: 0, count: 2 * channels)
          segmoe_channel_moments(
            x + (image * positions + span.lowerBound) * channels, span.count, channels, sums,
            sums + channels)
        }
      }
      (affine.scale, affine.shift) = groupAffine(
        base, images: batch, pieces: counted.count, groups: groups,
        positions: counted.reduce(0) { $0 + $1.count }, weight: weight, bias: bias, epsilon: epsilon)
    }
    return affine
  }

  /// What is left of a group normalization, for all of `x`.
  func apply(_ affine: ChannelAffine, to x: Tensor) -> Tensor {
    let (batch, positions, channels) = (x.shape[0], affine.positions, affine.channels)
    let grain = max(1, Self.elementGrain / channels)
    let pieces = (positions + grain - 1) / grain
    return tensor(shape: x.shape) { result in
      x.withUnsafe { x in
        guard let x = x.baseAddress, let result = result.baseAddress else { return }
        let parts = cut(batch, of: positions, into: pieces, most: 16 * pieces)
        pool.run(batch * parts) { task in
          let (image, part) = (task / parts, task % parts)
          let first = image * positions + part * positions / parts
          let end = image * positions + (part + 1) * positions / parts
          affine.apply(to: x + first * channels, positions: first..<end, into: result + first * channels)
        }
      }
    }
  }

  private func groupLabel(_ x: Tensor, channels: Int) -> String {
    "groups of \(channels), \(x.shape[0])×\(x.count / x.shape[0] / channels)"
  }

  /// The positions that are summed up, as ranges: all positions, or those of a tile that count.
  private func countedSpans(of x: Tensor, positions: Int, grain: Int) -> [Range<Int>] {
    guard let moments, x.shape.count == 4 else {
      return stride(from: 0, to: positions, by: grain).map { $0..<min(positions, $0 + grain) }
    }
    let width = x.shape[2]
    let core = moments.core.scaled(height: x.shape[1], width: width)
    return core.rows.map { $0 * width + core.columns.lowerBound..<$0 * width + core.columns.upperBound }
  }

  /// What group normalization does to every image, as a scale and a shift per channel, `[image, channel]`. On one thread
  /// this would take a tenth of what many need for all the rest of it.
  /// - Parameters:
  ///   - moments: `[image, piece, sum or square, channel]`, added up in the order of the pieces.
  ///   - positions: how many were summed up, of each image.
  private func groupAffine(
    _ moments: UnsafePointer<Double>, images: Int, pieces: Int, groups: Int, positions: Int, weight: Tensor,
    bias: Tensor, epsilon: Float
  ) -> (scale: [Float], shift: [Float]) {
    let channels = weight.count
    let width = channels / groups
    var scale = [Float](repeating: 0, count: images * channels)
    var shift = [Float](repeating: 0, count: images * channels)
    var sums = [GroupMoments.Sums](
      repeating: .init(count: Double(positions * width)), count: images * groups)
    weight.withUnsafe { weight in
      bias.withUnsafe { bias in
        scale.withUnsafeMutableBufferPointer { scale in
          shift.withUnsafeMutableBufferPointer { shift in
            func write(_ index: Int, _ sums: GroupMoments.Sums) {
              let mean = sums.sum / sums.count
              let inverse =
                1 / (max(0, sums.square / sums.count - mean * mean) + Double(epsilon)).squareRoot()
              for channel in index % groups * width..<(index % groups + 1) * width {
                let place = index / groups * channels + channel
                scale[place] = Float(Double(weight[channel]) * inverse)
                shift[place] = Float(Double(bias[channel]) - mean * Double(weight[channel]) * inverse)
              }
            }
            sums.withUnsafeMutableBufferPointer { sums in
              pool.run(images * groups) { index in
                let (image, group) = (index / groups, index % groups)
                for piece in 0..<pieces {
                  let start = moments + (image * pieces + piece) * 2 * channels + group * width
                  for channel in 0..<width {
                    sums[index].sum += start[channel]
                    sums[index].square += start[channels + channel]
                  }
                }
                if self.moments == nil { write(index, sums[index]) }
              }
            }
            guard let shared = self.moments else { return }
            for image in 0..<images {
              let all = shared.exchange(Array(sums[image * groups..<(image + 1) * groups]))
              for group in 0..<groups { write(image * groups + group, all[group]) }
            }
          }
        }
      }
    }
    return (scale, shift)
  }

  /// Layer normalization of every row of `x` `[…, channel]`.
  package func layerNorm(_ x: Tensor, weight: Tensor, bias: Tensor, epsilon: Float) -> Tensor {
    let channels = weight.count
    let timing = self.timing(.normalization, "rows of \(channels), \(x.count / channels)")
    defer { timing?.end() }
    return tensor(shape: x.shape) { result in
      x.withUnsafe { x in
        weight.withUnsafe { weight in
          bias.withUnsafe { bias in
            guard let source = x.baseAddress, let result = result.baseAddress,
              let weight = weight.baseAddress, let bias = bias.baseAddress
            else { return }
            let rows = x.count / channels
            forEachRange(rows, grain: max(1, Self.elementGrain / channels)) { range in
              segmoe_layer_norm(
                source + range.lowerBound * channels, result + range.lowerBound * channels,
                range.count, channels, weight, bias, epsilon)
            }
          }
        }
      }
    }
  }
}
