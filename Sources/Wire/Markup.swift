/// HTML or XML. Markup is what the source has written, and what is markup already; everything else that is put into it is taken as
/// text, whatever it looks like, and escaped. So nothing that a request brings can become markup by being forgotten.
package struct Markup: ExpressibleByStringInterpolation, Hashable, Sendable {
    package var text: String

    package init(stringLiteral text: String) {
        self.text = text
    }

    package init(stringInterpolation: StringInterpolation) {
        text = stringInterpolation.text
    }

    /// - Parameter escaping: as it is to be read, between tags as well as in an attribute between quotation marks.
    package init(escaping text: some StringProtocol) {
        self.text = ""
        self.text.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": self.text += "&amp;"
            case "<": self.text += "&lt;"
            case ">": self.text += "&gt;"
            case "\"": self.text += "&#34;"
            case "'": self.text += "&#39;"
            // No character of XML (Extensible Markup Language 1.0, §2.2).
            case "\0"..<" " where scalar != "\n" && scalar != "\t", "\u{7f}", "\u{fffe}", "\u{ffff}":
                self.text += "\u{fffd}"
            default: self.text.unicodeScalars.append(scalar)
            }
        }
    }

    package struct StringInterpolation: StringInterpolationProtocol {
        fileprivate var text = ""

        package init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + 16 * interpolationCount)
        }

        package mutating func appendLiteral(_ literal: String) { text += literal }

        package mutating func appendInterpolation(_ markup: Markup) { text += markup.text }

        package mutating func appendInterpolation(_ parts: [Markup]) { for part in parts { text += part.text } }

        package mutating func appendInterpolation(_ value: some CustomStringConvertible) {
            text += Markup(escaping: value.description).text
        }
    }
}
