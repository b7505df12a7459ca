extension Array where Element: Equatable {
    /// Both lists without the elements that they begin and end with alike. Most changes of a policy concern one thing of thousands.
    package func trimmed(against other: Self) -> (mine: ArraySlice<Element>, others: ArraySlice<Element>) {
        var (mine, others) = (self[...], other[...])
        while let first = mine.first, first == others.first { (mine, others) = (mine.dropFirst(), others.dropFirst()) }
        while let last = mine.last, last == others.last { (mine, others) = (mine.dropLast(), others.dropLast()) }
        return (mine, others)
    }
}
