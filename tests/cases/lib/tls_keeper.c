/* A plugin with thread-local storage of its own: too much of it for what the loader keeps free, so
 * that each thread's copy is allocated when it is first used. */
static __thread void *volatile kept[1 << 14];

void keep(void *block);
void keep(void *block)
{
    kept[1 << 13] = block;
}
