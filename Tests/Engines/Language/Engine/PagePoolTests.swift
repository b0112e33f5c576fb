import Testing

@testable import Language

@Suite struct PagePoolTests {
    @Test func beginningsAreShared() throws {
        var pool = PagePool(pages: 4, pageSize: 2)
        let text: [Int32] = [1, 2, 3, 4, 5]
        let nothing = pool.findPrefix(text)
        #expect(nothing == [])
        let first = pool.take(), second = pool.take()
        let a = try #require(first), b = try #require(second)
        let hash = pool.publish(a, text[0..<2], after: PagePool.root)
        _ = pool.publish(b, text[2..<4], after: hash)
        let whole = pool.findPrefix(text), half = pool.findPrefix([1, 2, 9, 9])
        #expect(whole == [a, b])
        #expect(half == [a])
        let elsewhere = pool.findPrefix([3, 4]), otherwise = pool.findPrefix(text, salt: 5)
        #expect(elsewhere == [], "the same tokens behind others")
        #expect(otherwise == [], "computed with something else")
        #expect(pool.freeCount == 2)
        for page in [a, b, a, b, a] { pool.release(page) }
        #expect(pool.freeCount == 4)
        let kept = pool.findPrefix(text)
        #expect(kept == [a, b], "kept until they are needed")
    }

    @Test func theLongestUnusedGoFirst() throws {
        var pool = PagePool(pages: 3, pageSize: 1)
        var pages: [Int32] = []
        while let page = pool.take() { pages.append(page) }
        #expect(pages.count == 3)
        for (index, page) in pages.enumerated() { _ = pool.publish(page, [Int32(index)], after: PagePool.root) }
        for page in [pages[1], pages[0], pages[2]] { pool.release(page) }
        let used = pool.findPrefix([1])
        #expect(used == [pages[1]])
        pool.release(pages[1])
        let taken = pool.take()
        #expect(taken == pages[0])
        let gone = pool.findPrefix([0]), left = pool.findPrefix([2])
        #expect(gone == [])
        #expect(left == [pages[2]])
    }
}
