/* lru.c: a cache that keeps the pages used last, and finds all that are still in memory.
 *
 *     newest ──► entry ⇄ entry ⇄ entry ◄── oldest    the list: CAPACITY entries at most,
 *                  │       │       │                 each of which keeps its page
 *                  ▼       ▼       ▼
 *     pages        4       0       2       7         7 is not listed, but in use
 *                  ↑       ↑       ↑       ↑
 *     known      [ weak references, by the pages' numbers ]
 *
 * A page whose entry falls off the list's end dies, unless somebody works with it: then the cache
 * finds it again through its weak reference and does not read it a second time. With strong
 * references alone a cache must keep everything, or have the same page in memory twice.
 *
 *     cc lru.c $(pkg-config --cflags --libs molt) && ./a.out */
#include <molt_object.h>

#include <stdio.h>
#include <stdlib.h>

#define PAGES 16
#define CAPACITY 3

/* Knows nothing of the cache. */
struct page {
    MOLT_OBJECT;
    int number;
    char text[32];
};
MOLT_TYPE(page_type, struct page, .flags = MOLT_LEAF);

/* Neighbours refer to each other. Taking an entry out of the list opens the circles; when a whole
 * list is dropped, the collector does. */
struct entry {
    MOLT_OBJECT;
    struct entry *newer, *older;
    struct page *page;
};
MOLT_TYPE(entry_type, struct entry, MOLT_REFS(struct entry, newer, older, page));

struct cache {
    MOLT_OBJECT;
    struct entry *newest, *oldest;
    unsigned listed;
    struct {
        molt_weak *page;     /* NULL: not in memory */
        struct entry *entry; /* its place in the list, borrowed from there; NULL: none */
    } known[PAGES];
    unsigned reads, deaths; /* to look at */
};

/* Pages may outlive the cache: no death will be told to it any more. */
static void cache_dispose(void *object)
{
    struct cache *cache = object;
    for (int i = 0; i < PAGES; i++)
        molt_weak_free(cache->known[i].page);
}

MOLT_TYPE(cache_type, struct cache, MOLT_REFS(struct cache, newest, oldest),
          .dispose = cache_dispose);

static void *need(void *p)
{
    if (p == NULL) {
        perror("lru");
        exit(1);
    }
    return p;
}

/* ---- The list ---- */

/* A field is set before its old object is released, so an entry may be unlinked that only its
 * neighbours keep; whoever goes on using it retains it first. */
static void list_remove(struct cache *cache, struct entry *entry)
{
    molt_set(entry->newer != NULL ? &entry->newer->older : &cache->newest, entry->older);
    molt_set(entry->older != NULL ? &entry->older->newer : &cache->oldest, entry->newer);
    molt_clear(&entry->newer);
    molt_clear(&entry->older);
    cache->known[entry->page->number].entry = NULL;
    cache->listed--;
}

static void list_add(struct cache *cache, struct entry *entry)
{
    molt_set(&entry->older, cache->newest);
    molt_set(cache->newest != NULL ? &cache->newest->newer : &cache->oldest, entry);
    molt_set(&cache->newest, entry);
    cache->known[entry->page->number].entry = entry;
    cache->listed++;
}

static void list_drop_oldest(struct cache *cache)
{
    MOLT_AUTO struct entry *oldest = molt_retain(cache->oldest);
    list_remove(cache, oldest);
}

/* The page is the newest from now on. */
static void list_touch(struct cache *cache, struct page *page)
{
    MOLT_AUTO struct entry *entry = molt_retain(cache->known[page->number].entry);
    if (entry != NULL) {
        list_remove(cache, entry);
    } else {
        entry = need(molt_new(&entry_type));
        molt_set(&entry->page, page);
    }
    list_add(cache, entry);
    if (cache->listed > CAPACITY)
        list_drop_oldest(cache);
}

/* ---- Pages ---- */

/* A page has died. The cache, which is `arg`, lives as long as its weak references do. */
static void on_death(molt_weak *weak, void *arg)
{
    struct cache *cache = arg;
    for (int i = 0; i < PAGES; i++)
        if (cache->known[i].page == weak)
            cache->known[i].page = NULL;
    cache->deaths++;
    molt_weak_free(weak);
}

/* From where pages come from: that is slow, so it is counted. */
static struct page *page_read(struct cache *cache, int number)
{
    struct page *page = need(molt_new(&page_type));
    page->number = number;
    snprintf(page->text, sizeof page->text, "text of page %d", number);
    cache->known[number].page = need(molt_weak_new(page, on_death, cache));
    cache->reads++;
    return page;
}

/* The page, from memory if it is anywhere there. The reference is the caller's. */
static struct page *cache_get(struct cache *cache, int number)
{
    molt_weak *known = cache->known[number].page;
    struct page *page = known != NULL ? molt_weak_get(known) : NULL;
    if (page == NULL)
        page = page_read(cache, number);
    list_touch(cache, page);
    return page;
}

/* ---- What it does ---- */

static void use(struct cache *cache, int first, int last)
{
    for (int number = first; number <= last; number++)
        molt_release(cache_get(cache, number));
    printf("%d to %d used, listed:", first, last);
    for (const struct entry *entry = cache->newest; entry != NULL; entry = entry->older)
        printf(" %d", entry->page->number);
    printf(" (%u read, %u died)\n", cache->reads, cache->deaths);
}

int main(void)
{
    struct cache *cache = need(molt_new(&cache_type));
    use(cache, 0, 4);
    use(cache, 2, 3);

    /* Somebody works with page 2 while others push it off the list. */
    struct page *held = cache_get(cache, 2);
    use(cache, 10, 14);
    struct page *again = cache_get(cache, 2);
    printf("2 again: %s, %s\n", again->text, again == held ? "the same page" : "another one");
    molt_clear(&again);
    use(cache, 2, 2);

    /* The cache goes with its list; the page stays with who holds it. */
    molt_clear(&cache);
    printf("the cache is dropped: %ld entries were circles\n", molt_gc_collect(2));
    printf("%s, %zu reference, %zu weak\n", held->text, molt_refcount(held), molt_weak_count(held));
    molt_clear(&held);
}
