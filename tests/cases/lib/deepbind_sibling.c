/* What deepbind.c's plugin opens by its bare name. */
int sibling_answer(void);

int sibling_answer(void)
{
    return 42;
}
