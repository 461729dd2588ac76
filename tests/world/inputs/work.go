// work N: C's memory from goroutines, freed by others; callbacks from threads that C starts.
package main

/*
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct node {
	struct node *next;
	char *text;
} node;

static node *push(node *head, const char *text)
{
	node *n = malloc(sizeof *n);
	n->next = head;
	n->text = strdup(text);
	return n;
}

static size_t drop(node *head)
{
	size_t length = 0;
	while (head) {
		node *next = head->next;
		length += strlen(head->text);
		free(head->text);
		free(head);
		head = next;
	}
	return length;
}

extern void heard(char *text, int number);

static void *thread(void *arg)
{
	for (int i = 0; i < 50; i++) {
		char *text = calloc(1, 100 + (size_t)i);
		memset(text, 'x', 10 + (size_t)i);
		heard(text, i); // frees it
	}
	return arg;
}

static int threads(int count)
{
	pthread_t started[16];
	for (int i = 0; i < count; i++)
		if (pthread_create(&started[i], NULL, thread, NULL))
			return -1;
	for (int i = 0; i < count; i++)
		pthread_join(started[i], NULL);
	return count;
}
*/
import "C"

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

var total int64

//export heard
func heard(text *C.char, number C.int) {
	atomic.AddInt64(&total, int64(len(C.GoString(text)))*int64(number+1))
	C.free(unsafe.Pointer(text))
}

func word(i int) string {
	return strings.Repeat(string(rune('a'+i%26)), i%9) + strconv.Itoa(i*7919%10007)
}

func lists(n int) int64 {
	made := make(chan *C.node, 16)
	var makers, droppers sync.WaitGroup
	var length int64
	for worker := 1; worker <= 4; worker++ {
		makers.Add(1)
		go func(worker int) {
			defer makers.Done()
			var head *C.node
			for i := 0; i < n; i++ {
				text := C.CString(word(i * worker))
				head = C.push(head, text)
				C.free(unsafe.Pointer(text))
				if i%100 == 99 {
					made <- head
					head = nil
				}
			}
			made <- head
		}(worker)
		droppers.Add(1)
		go func() {
			defer droppers.Done()
			for head := range made {
				atomic.AddInt64(&length, int64(C.drop(head)))
			}
		}()
	}
	makers.Wait()
	close(made)
	droppers.Wait()
	return length
}

func blocks(n int) int {
	right := 0
	for i := 1; i < n/10; i++ {
		bytes := C.CBytes([]byte(word(i)))
		grown := C.realloc(bytes, C.size_t(i*10+20))
		if string(C.GoBytes(grown, C.int(len(word(i))))) == word(i) {
			right++
		}
		C.free(grown)
	}
	return right
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	fmt.Println(lists(n))
	fmt.Println(blocks(n))
	for round := 0; round < 10; round++ {
		if C.threads(8) != 8 {
			fmt.Println("no thread")
		}
	}
	fmt.Println(total)
	counts := map[string]int{}
	for i := 0; i < n; i++ {
		counts[word(i)]++
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Println(len(names), names[len(names)/2])
}
