/// The geometry of a square two-dimensional convolution.
package struct ConvolutionShape: Sendable, Equatable {
  package let kernel: Int
  package let stride: Int
  /// Zeros added before the first row and column, and after the last ones.
  package let padding: (before: Int, after: Int)

  package init(kernel: Int, stride: Int = 1, padding: (before: Int, after: Int)) {
    self.kernel = kernel
    self.stride = stride
    self.padding = padding
  }

  /// The usual one: as many zeros as keep the size at stride 1.
  package init(kernel: Int, stride: Int = 1) {
    self.init(kernel: kernel, stride: stride, padding: (kernel / 2, kernel / 2))
  }

  package static func == (a: Self, b: Self) -> Bool {
    a.kernel == b.kernel && a.stride == b.stride && a.padding == b.padding
  }

  /// Rows (or columns) that come out for `size` that go in.
  package func outputSize(_ size: Int) -> Int {
    (size + padding.before + padding.after - kernel) / stride + 1
  }
}
