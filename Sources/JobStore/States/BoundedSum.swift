extension Sequence<Int> {
  /// Their sum, or the nearest number that there is: somebody may have written any number into a row, and that must not
  /// end the program.
  package var boundedSum: Int {
    reduce(0) { sum, number in
      let (result, isBeyond) = sum.addingReportingOverflow(number)
      return isBeyond ? (number > 0 ? .max : .min) : result
    }
  }
}
