/// How often a name of a list, or one that a rule is about, was not told to a member of the household.
package struct NameRefusal: Codable, Hashable, Sendable {
    /// nil: by a rule.
    package var list: String?
    /// 0: nobody knows which it is.
    package var member: UInt16
    package var count: Int

    package init(list: String?, member: UInt16, count: Int) {
        self.list = list
        self.member = member
        self.count = count
    }
}
