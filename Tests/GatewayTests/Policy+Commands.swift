import Policy

@testable import gatehousectl

extension Policy {
    /// The commands that make the policy, as `gatehousectl export` orders them.
    func commands(lists: String? = nil) -> [String] {
        let things = Dictionary(grouping: allThings, by: \.section)
        return Changes.Thing.Section.allCases.flatMap { things[$0] ?? [] }
            .flatMap { $0.verbLines(lists: lists) }.map(\.text)
    }
}
