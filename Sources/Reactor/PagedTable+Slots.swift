extension PagedTable<Slot> {
    init() {
        self.init(vacancy: Slot())
    }

    /// A slot that is in use, for nothing yet.
    mutating func open() -> Slot.Index {
        let index = allocate()
        self[index].pointee.flags = .open
        return index
    }

    /// Gives a slot back; from here on its old generation finds nobody.
    mutating func close(_ index: Slot.Index) {
        let generation = self[index].pointee.generation
        release(index)
        self[index].pointee.generation = generation &+ 1
    }
}
