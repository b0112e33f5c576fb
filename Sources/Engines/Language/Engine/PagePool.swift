/// The pages of a KV cache: which are free, which hold the beginning of a text that another text may share.
///
/// A full page is known by a hash of all tokens up to its end, so that a text that begins alike finds its pages. Pages that nobody uses keep
/// what they hold until they are needed for something else, the longest unused first.
struct PagePool {
    let pageSize: Int
    private var pages: [Page]
    /// Pages that nobody uses, by when they were given back: those without contents first.
    private var free: UnusedPages
    /// Full pages by the hash of the tokens up to their end.
    private var known: [UInt64: Int32] = [:]
    /// Pages given to requests since the beginning, and those of them that were found filled.
    private(set) var taken = 0
    private(set) var shared = 0

    private struct Page {
        var users = 0
        /// Nil for a page whose contents nobody may share.
        var key: UInt64?
        /// What it holds: two texts with one hash must not share a page.
        var tokens: [Int32] = []
        var parent: UInt64 = PagePool.root
    }

    /// The hash of the empty text.
    static let root: UInt64 = 0xcbf2_9ce4_8422_2325

    init(pages count: Int, pageSize: Int) {
        self.pageSize = pageSize
        pages = Array(repeating: Page(), count: count)
        free = UnusedPages(count: count)
    }

    var pageCount: Int { pages.count }
    var freeCount: Int { free.count }

    /// The hash of a text that goes on with `tokens` behind one of hash `parent`.
    static func hash<Tokens: Sequence<Int32>>(_ tokens: Tokens, after parent: UInt64) -> UInt64 {
        var hash = parent
        for token in tokens {
            hash = (hash ^ UInt64(UInt32(bitPattern: token))) &* 0x100_0000_01b3
            hash ^= hash >> 29
        }
        return hash
    }

    /// The pages that hold the beginning of `tokens`, now used by the caller too; whole pages only.
    mutating func findPrefix(_ tokens: [Int32], salt: UInt64 = root) -> [Int32] {
        var found: [Int32] = [], parent = salt, start = 0
        while start + pageSize <= tokens.count {
            let slice = tokens[start..<start + pageSize], key = Self.hash(slice, after: parent)
            guard let page = known[key], pages[Int(page)].parent == parent, pages[Int(page)].tokens.elementsEqual(slice)
            else { break }
            found.append(page)
            parent = key
            start += pageSize
        }
        for page in found {
            if pages[Int(page)].users == 0 { free.remove(page) }
            pages[Int(page)].users += 1
        }
        taken += found.count
        shared += found.count
        return found
    }

    /// An empty page; nil when all are in use.
    mutating func take() -> Int32? {
        guard let page = free.popOldest() else { return nil }
        forget(page)
        pages[Int(page)].users = 1
        taken += 1
        return page
    }

    /// Makes a full page findable. `parent` is the hash of the tokens before it.
    mutating func publish(_ page: Int32, _ tokens: ArraySlice<Int32>, after parent: UInt64) -> UInt64 {
        let key = Self.hash(tokens, after: parent)
        if known[key] == nil, pages[Int(page)].key == nil {
            known[key] = page
            pages[Int(page)].key = key
            pages[Int(page)].tokens = Array(tokens)
            pages[Int(page)].parent = parent
        }
        return key
    }

    mutating func release(_ page: Int32) {
        pages[Int(page)].users -= 1
        guard pages[Int(page)].users == 0 else { return }
        free.append(page, isWorthless: pages[Int(page)].key == nil)
    }

    private mutating func forget(_ page: Int32) {
        if let key = pages[Int(page)].key { known[key] = nil }
        pages[Int(page)].key = nil
        pages[Int(page)].tokens = []
    }
}

/// A doubly linked list over page numbers: every operation takes constant time.
private struct UnusedPages {
    private var next: [Int32]
    private var previous: [Int32]
    private(set) var count: Int
    /// The sentinel's number.
    private let end: Int32

    init(count: Int) {
        end = Int32(count)
        self.count = count
        next = (0...count).map { Int32(($0 + 1) % (count + 1)) }
        previous = (0...count).map { Int32(($0 + count) % (count + 1)) }
    }

    private mutating func link(_ page: Int32, after place: Int32) {
        let following = next[Int(place)]
        next[Int(place)] = page
        previous[Int(page)] = place
        next[Int(page)] = following
        previous[Int(following)] = page
        count += 1
    }

    mutating func append(_ page: Int32, isWorthless: Bool) {
        link(page, after: isWorthless ? end : previous[Int(end)])
    }

    mutating func remove(_ page: Int32) {
        next[Int(previous[Int(page)])] = next[Int(page)]
        previous[Int(next[Int(page)])] = previous[Int(page)]
        count -= 1
    }

    mutating func popOldest() -> Int32? {
        let page = next[Int(end)]
        guard page != end else { return nil }
        remove(page)
        return page
    }
}
