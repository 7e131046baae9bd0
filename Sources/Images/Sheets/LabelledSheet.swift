/// Pictures in rows and columns, with a text below each and at the head of each row and column.
///
/// Pictures are read one after the other, so that a page of many needs memory for the page and for one of them. If they
/// are too large for one page, all are made smaller alike.
package struct LabelledSheet: Sendable, Equatable {
  /// One place on the page.
  package struct Cell: Sendable, Equatable {
    /// What it shows.
    package enum Content: Sendable, Equatable {
      /// A PNG file.
      case picture(path: String)
      /// No picture, and why there is none.
      case missing(reason: String)
      /// Nothing belongs here.
      case nothing
    }

    /// What it shows.
    package var content: Content
    /// The text below it; empty: none.
    package var label: String

    /// A place on the page.
    package init(_ content: Content, label: String = "") {
      self.content = content
      self.label = label
    }
  }

  /// The places, row by row; a short row ends early.
  package var rows: [[Cell]]
  /// The texts at the left of the rows; empty: none.
  package var rowHeaders: [String]
  /// The texts above the columns; empty: none.
  package var columnHeaders: [String]

  /// A page.
  package init(rows: [[Cell]], rowHeaders: [String] = [], columnHeaders: [String] = []) {
    self.rows = rows
    self.rowHeaders = rowHeaders
    self.columnHeaders = columnHeaders
  }

  /// A page without heads that is about square.
  package init(cells: [Cell]) {
    let columns = max(1, ContactSheet.squareColumns(cells.count))
    self.init(
      rows: stride(from: 0, to: cells.count, by: columns).map {
        Array(cells[$0..<min($0 + columns, cells.count)])
      })
  }

  /// A page, and what it could not show.
  package struct Page: Sendable, Equatable {
    /// The page itself.
    package var image: RGBImage
    /// Files that could not be read. Their places say so.
    package var unreadable: [ImageError]
  }

  /// Draws the page.
  /// - Throws: `ImageError` if no picture can be read, or the page is beyond `limits` even with tiny pictures.
  package func page(limits: PNGLimits = PNGLimits()) throws -> Page {
    var unreadable: [ImageError] = []
    var (width, height) = (0, 0)
    var sheet = self
    for (row, cells) in rows.enumerated() {
      for (column, cell) in cells.enumerated() {
        guard case .picture(let path) = cell.content else { continue }
        do throws(ImageError) {
          let size = try PNGFile.size(of: path, limits: limits)
          (width, height) = (max(width, size.width), max(height, size.height))
        } catch {
          unreadable.append(error)
          sheet.rows[row][column].content = Self.unreadable
        }
      }
    }
    guard width > 0 else { throw unreadable.first ?? ImageError.noImages }
    let layout = try SheetLayout(sheet, pictureWidth: width, pictureHeight: height, limits: limits)
    var page = try RGBImage(width: layout.width, height: layout.height, red: 255, green: 255, blue: 255)
    layout.drawHeads(on: &page)
    for (row, cells) in sheet.rows.enumerated() {
      for (column, cell) in cells.enumerated() {
        var content = cell.content
        if case .picture(let path) = content {
          // Only now is it known whether the pixels are whole.
          do throws(ImageError) {
            let picture = try PNGFile.readPixels(path, limits: limits)
            try layout.draw(picture, row: row, column: column, on: &page)
          } catch {
            unreadable.append(error)
            content = Self.unreadable
          }
        }
        if case .missing(let reason) = content {
          layout.draw(reason: reason, row: row, column: column, on: &page)
        }
        layout.drawLabel(row: row, column: column, on: &page)
      }
    }
    return Page(image: page, unreadable: unreadable)
  }

  private static let unreadable = Cell.Content.missing(reason: "the file is gone or damaged")
}
