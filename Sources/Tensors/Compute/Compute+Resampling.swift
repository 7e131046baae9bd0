extension Compute {
  /// Nearest-neighbour enlargement of `[batch, height, width, channel]` to another size, as torch's
  /// `interpolate(mode="nearest")`: source index = ⌊index · old / new⌋.
  package func resizeNearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let timing = self.timing(.elementwise, "enlargement")
    defer { timing?.end() }
    let (batch, oldHeight, oldWidth, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    return tensor(shape: [batch, height, width, channels]) { result in
      x.withUnsafe { x in
        guard let x = x.baseAddress, let result = result.baseAddress else { return }
        forEachRange(batch * height, grain: max(1, Self.elementGrain / (width * channels))) { rows in
          for row in rows {
            let source = row / height * oldHeight + row % height * oldHeight / height
            for column in 0..<width {
              (result + (row * width + column) * channels).update(
                from: x + (source * oldWidth + column * oldWidth / width) * channels,
                count: channels)
            }
          }
        }
      }
    }
  }
}

extension Compute {
  /// The part of `[batch, height, width, channel]` in the given rows and columns.
  package func crop(_ x: Tensor, rows: Range<Int>, columns: Range<Int>) -> Tensor {
    let (batch, height, width, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    precondition(rows.lowerBound >= 0 && rows.upperBound <= height && columns.upperBound <= width)
    return tensor(shape: [batch, rows.count, columns.count, channels]) { result in
      x.withUnsafe { x in
        let length = columns.count * channels
        for image in 0..<batch {
          for (place, row) in rows.enumerated() {
            let source = ((image * height + row) * width + columns.lowerBound) * channels
            let target = (image * rows.count + place) * length
            _ = result[target..<target + length].update(fromContentsOf: x[source..<source + length])
          }
        }
      }
    }
  }
}

extension Tensor {
  /// `[batch, channel, height, width]` as channels last, `[batch, height, width, channel]`.
  package var channelsLast: Tensor {
    swapped(
      outer: shape[1], inner: shape[2] * shape[3],
      shape: [shape[0], shape[2], shape[3], shape[1]])
  }

  /// `[batch, height, width, channel]` as torch has it, `[batch, channel, height, width]`.
  package var channelsFirst: Tensor {
    swapped(
      outer: shape[1] * shape[2], inner: shape[3],
      shape: [shape[0], shape[3], shape[1], shape[2]])
  }

  /// Transposes the matrix `outer × inner` of every image.
  private func swapped(outer: Int, inner: Int, shape: [Int]) -> Tensor {
    Tensor(shape: shape) { result in
      withUnsafe { source in
        for image in 0..<shape[0] {
          let base = image * outer * inner
          for o in 0..<outer {
            for i in 0..<inner { result[base + i * outer + o] = source[base + o * inner + i] }
          }
        }
      }
    }
  }

  /// Image `index` of a batch, as a batch of one.
  package func image(_ index: Int) -> Tensor {
    let size = count / shape[0]
    if isMeta { return Tensor(meta: [1] + shape.dropFirst(), meter: meter) }
    return Tensor(shape: [1] + shape.dropFirst()) { result in
      withUnsafe { source in
        _ = result.initialize(fromContentsOf: source[index * size..<(index + 1) * size])
      }
    }
  }

  /// Images one after another in one batch; shapes must be equal but for the first axis.
  package static func batch(_ images: [Tensor]) -> Tensor {
    let rest = images.first.map { Array($0.shape.dropFirst()) } ?? []
    let shape = [images.reduce(0) { $0 + $1.shape[0] }] + rest
    if let meta = images.first(where: \.isMeta) { return Tensor(meta: shape, meter: meta.meter) }
    return Tensor(shape: shape) { result in
      var start = 0
      for image in images {
        image.withUnsafe { source in
          _ = result[start..<start + source.count].initialize(fromContentsOf: source)
        }
        start += image.count
      }
    }
  }
}
