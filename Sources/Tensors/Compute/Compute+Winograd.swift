import CKernels

extension Compute {
  /// Panels of 16 outputs of one task. Their transformed weights and products fill a second-level cache.
  private static let winogradPanels = segmoe_second_cache_bytes() >= 2 << 20 ? 4 : 2

  /// A 3×3 convolution of stride 1 with a row and column of zeros all around, channels last. It uses
  /// Winograd's F(4×4, 3×3), or a plain product if there are few positions.
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - weight: the packed weight.
  ///   - bias: `[out]`, or `[batch, out]` for one per image.
  ///   - residual: added to the result; of its shape.
  ///   - size: enlarges `x` to this size on the way in, as `resizeNearest` does.
  /// - Returns: `[batch, height, width, out]`.
  package func convolution(
    _ x: Tensor, _ weight: WinogradWeight, bias: Tensor?, adding residual: Tensor? = nil,
    enlargedTo size: (height: Int, width: Int)? = nil
  ) -> Tensor {
    let batch = x.shape[0]
    let (height, width) = size ?? (x.shape[1], x.shape[2])
    precondition(x.shape[3] == weight.inputs, "\(x.shape) convolved from \(weight.inputs) channels")
    let timing = self.timing(
      .convolution,
      "3×3 \(weight.inputs)→\(weight.outputs), \(batch)×\(height)×\(width)")
    defer { timing?.end() }
    let perImage = (bias?.count ?? 0) > weight.outputs
    guard WinogradWeight.isFaster(positions: batch * height * width) else {
      let source = size.map { resizeNearest(x, height: $0.height, width: $0.width) } ?? x
      var sum = product(source, weight, bias: perImage ? nil : bias, adding: residual)
      if perImage, let bias { addRows(bias, to: &sum) }
      return sum
    }
    work.add(2 * batch * height * width * 9 * weight.inputs * weight.outputs)
    let shape = segmoe_convolution(
      height: height, width: width, source_height: x.shape[1], source_width: x.shape[2],
      inputs: weight.inputs, outputs: weight.outputs, bf16_weight: weight.isBF16 ? 1 : 0)
    let chunks = WinogradChunks(shape, batch: batch)
    return tensor(
      shape: [batch, height, width, weight.outputs], temporary: chunks.floats * MemoryLayout<Float>.stride
    ) { result, transformed in
      x.withUnsafe { x in
        weight.withBytes { panels in
          Self.withPointer(to: bias) { biasBase in
            Self.withPointer(to: residual) { residual in
              guard let x = x.baseAddress, let panels = panels.baseAddress,
                let result = result.baseAddress
              else { return }
              winograd(
                shape, chunks, x, panels,
                segmoe_winograd_epilogue(
                  bias: biasBase, bias_stride: perImage ? weight.outputs : 0, residual: residual),
                transformed: transformed.bindMemory(to: Float.self, capacity: chunks.floats), into: result)
            }
          }
        }
      }
    }
  }

  /// The convolution as a product with the pixels where they are.
  /// - Parameter bias: `[out]`.
  private func product(_ x: Tensor, _ weight: WinogradWeight, bias: Tensor?, adding residual: Tensor?)
    -> Tensor
  {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let bytes = weight.inputs * MemoryLayout<Float>.stride
    return tensor(shape: [batch, height, width, weight.outputs]) { result in
      Self.withZeros(beside: x, bytes: bytes) { pixels, zeros in
        Self.withPointer(to: residual) { residual in
          guard let result = result.baseAddress else { return }
          let pictures = Pictures(
            pixels: pixels, outside: zeros, bytes: bytes, height: height, width: width,
            stored: (height, width), shape: ConvolutionShape(kernel: 3))
          weight.withColumns {
            run(
              $0, rows: batch * height * width, ProductEpilogue(bias: bias), residual: residual, into: result,
              locate: pictures.locate)
          }
        }
      }
    }
  }

  /// Transforms the inputs of a chunk's tiles, then multiplies them, chunk by chunk. Threads that the last products of
  /// a chunk leave idle already transform the next chunk.
  private func winograd(
    _ shape: segmoe_convolution, _ chunks: WinogradChunks, _ x: UnsafePointer<Float>,
    _ weights: UnsafeRawPointer, _ epilogue: segmoe_winograd_epilogue,
    transformed: UnsafeMutablePointer<Float>, into result: UnsafeMutablePointer<Float>
  ) {
    let panelCount = (shape.outputs + 15) / 16
    // So few tiles are no work for many threads, unless each has fewer panels of them.
    let most = (chunks.tilesOfFirst + WinogradChunks.fewestTiles - 1) / WinogradChunks.fewestTiles
    let panels = panelCount * most < 4 * taskThreads ? 1 : Self.winogradPanels
    let scratchSize = segmoe_winograd_scratch(panels, WinogradChunks.tilesPerTask)
    let groups = (panelCount + panels - 1) / panels
    let grain = max(1, 4096 / shape.inputs)
    for chunk in 0...chunks.count {
      let (done, next) = (chunks.tiles(of: chunk - 1), chunks.tiles(of: chunk))
      let inputs = transformed + (chunk + 1) % 2 * chunks.size
      let outputs = transformed + chunk % 2 * chunks.size
      let parts =
        done.isEmpty
        ? 0
        : cut(
          groups, of: done.count,
          into: (done.count + WinogradChunks.tilesPerTask - 1) / WinogradChunks.tilesPerTask,
          most: (done.count + WinogradChunks.fewestTiles - 1) / WinogradChunks.fewestTiles)
      let products = groups * parts
      let transforms =
        next.isEmpty ? 0 : cut(1, of: next.count, into: (next.count + grain - 1) / grain)
      pool.run(products + transforms) { task in
        withUnsafePointer(to: shape) { shape in
          guard task < products else {
            let part = task - products
            for tile in part * next.count / transforms..<(part + 1) * next.count / transforms {
              segmoe_winograd_input(shape, x, next.lowerBound, tile, next.count, outputs)
            }
            return
          }
          let panel = task / parts * panels
          let start = task % parts * done.count / parts
          let end = (task % parts + 1) * done.count / parts
          withUnsafePointer(to: epilogue) { epilogue in
            segmoe_winograd_multiply(
              shape, epilogue, weights, panel, min(panels, panelCount - panel),
              inputs, done.lowerBound, done.count, start, end - start, result,
              ThreadPool.scratch(scratchSize))
          }
        }
      }
    }
  }
}

/// How the tiles of a convolution are cut into chunks. The transformed inputs of two chunks are held at a time: of the
/// one that is multiplied, and of the next one.
private struct WinogradChunks {
  /// Tiles of 4×4 outputs of one task, at most.
  static let tilesPerTask = 48
  /// Tiles of one task at least, if many threads want tasks.
  static let fewestTiles = 12
  /// Floats of a chunk's transformed inputs, about: they stay in the last cache. By shape alone, like all memory of a
  /// decode: whether it is cut into tiles must not depend on threads.
  private static let mostFloats = 2 << 20

  /// Tiles of all images together.
  private let all: Int
  let count: Int
  /// Floats of one chunk's transformed inputs.
  let size: Int
  /// Floats of the transformed inputs that are held.
  var floats: Int { min(2, count) * size }

  init(_ shape: segmoe_convolution, batch: Int) {
    let held = max(1, Self.mostFloats / (36 * shape.inputs * Self.tilesPerTask)) * Self.tilesPerTask
    (all, count, size) = withUnsafePointer(to: shape) { shape in
      let all = batch * segmoe_winograd_tiles(shape)
      let count = (all + held - 1) / held
      return (all, count, segmoe_winograd_input_size(shape, (all + count - 1) / count))
    }
  }

  /// Tiles of the first chunk; the others have as many or one more.
  var tilesOfFirst: Int { all / max(1, count) }

  /// The tiles of a chunk from 0 to count − 1; none for any other number.
  func tiles(of chunk: Int) -> Range<Int> {
    (0..<count).contains(chunk) ? chunk * all / count..<(chunk + 1) * all / count : 0..<0
  }
}
