extension String {
  /// Without the characters at either end that `isLeftOut` is true of.
  package func trimming(while isLeftOut: (Character) -> Bool) -> Substring {
    var rest = self[...]
    while let first = rest.first, isLeftOut(first) { rest.removeFirst() }
    while let last = rest.last, isLeftOut(last) { rest.removeLast() }
    return rest
  }
}
