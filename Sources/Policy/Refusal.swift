/// Why a change is not made: one message that says what is wrong, with which value, and what to do. ctl, log and tests show
/// the same text.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}
