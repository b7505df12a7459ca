/// Elements by number, in pages that never move: the table grows without copying, and a pointer to an element stays good as long as the
/// table lives. A number that was given back is handed out again.
struct PagedTable<Element>: ~Copyable {
    typealias Index = UInt32

    private static var pageShift: UInt32 { 7 }
    private static var pageSize: Int { 1 << Int(pageShift) }
    private static var pageLimit: Int { 1 << 14 }

    private let pages: UnsafeMutablePointer<UnsafeMutablePointer<Element>>
    private var pageCount = 0
    private var free: [Index] = []
    /// The value of a place without an element.
    private let vacancy: Element

    init(vacancy: Element) {
        self.vacancy = vacancy
        pages = .allocate(capacity: Self.pageLimit)
    }

    deinit {
        for page in 0..<pageCount {
            pages[page].deinitialize(count: Self.pageSize)
            pages[page].deallocate()
        }
        pages.deallocate()
    }

    @inline(__always)
    subscript(index: Index) -> UnsafeMutablePointer<Element> {
        pages[Int(index >> Self.pageShift)] + Int(index & UInt32(Self.pageSize - 1))
    }

    /// Every number of every page, whether or not it has been handed out.
    var indices: Range<Index> { 0..<Index(pageCount * Self.pageSize) }

    /// The number of a place where nothing stands but the vacancy.
    mutating func allocate() -> Index {
        if free.isEmpty { addPage() }
        return free.removeLast()
    }

    /// Gives a place back, and with it what the element held.
    mutating func release(_ index: Index) {
        self[index].pointee = vacancy
        free.append(index)
    }

    private mutating func addPage() {
        precondition(pageCount < Self.pageLimit, "more elements than any descriptor limit allows")
        let page = UnsafeMutablePointer<Element>.allocate(capacity: Self.pageSize)
        page.initialize(repeating: vacancy, count: Self.pageSize)
        pages[pageCount] = page
        let first = Index(pageCount) << Self.pageShift
        free.append(contentsOf: (first..<first + UInt32(Self.pageSize)).reversed())
        pageCount += 1
    }
}
