-- Work N: maps, strings, threads, MVars, foreign memory; prints checksums.
module Main (main) where

import Control.Concurrent
import Control.Exception (bracket, evaluate)
import Control.Monad
import Data.Char (chr, ord)
import Data.List (foldl', sortOn)
import Foreign
import Foreign.C.String
import System.Environment (getArgs)
import System.Mem (performGC)

data Tree = Leaf | Node Tree (String, Int) Tree

insert :: (String, Int) -> Tree -> Tree
insert new Leaf = Node Leaf new Leaf
insert new@(key, _) (Node left old@(name, _) right)
  | key < name = Node (insert new left) old right
  | key > name = Node left old (insert new right)
  | otherwise = Node left new right

toList :: Tree -> [(String, Int)]
toList tree = go tree []
  where
    go Leaf rest = rest
    go (Node left pair right) rest = go left (pair : go right rest)

word :: Int -> String
word i = replicate (i `mod` 9) (chr (97 + i `mod` 26)) ++ show (i * 7919 `mod` 10007)

checksum :: String -> Int
checksum = foldl' (\sum' c -> (sum' * 31 + ord c) `mod` 1000003) 7

-- Foreign memory: arrays that grow by realloc, strings of C, blocks with finalizers.
foreignWork :: Int -> IO Int
foreignWork n = do
  sums <- forM [1 .. n `div` 10] $ \i -> do
    array <- mallocArray (i `mod` 100 + 1) :: IO (Ptr Int32)
    forM_ [0 .. i `mod` 100] $ \k -> pokeElemOff array k (fromIntegral (i * k))
    grown <- reallocArray array (i `mod` 1000 + 200)
    value <- peekElemOff grown (i `mod` 100)
    free grown
    text <- bracket (newCString (word i)) free peekCString
    block <- mallocBytes 64 >>= newForeignPtr finalizerFree :: IO (ForeignPtr Int64)
    withForeignPtr block $ \p -> poke p (fromIntegral i) >> (fromIntegral <$> peek p >>= \back ->
      return (fromIntegral value + length text + back))
  performGC
  return (sum sums)

main :: IO ()
main = do
  n <- read . head <$> getArgs
  let tree = foldl' (\t i -> insert (word i, i) t) Leaf [1 .. n]
  print (length (toList tree), checksum (concatMap fst (toList tree)))
  print (checksum (concatMap fst (sortOn (negate . snd) (toList tree))))
  results <- forM [1 .. 8] $ \worker -> do
    done <- newEmptyMVar
    _ <- (if even worker then forkOS else forkIO) $ do
      foreignSum <- foreignWork (n `div` 4)
      pure' <- evaluate (checksum (concatMap word [worker .. n `div` 2]))
      putMVar done (foreignSum, pure')
    return done
  mapM_ (takeMVar >=> print) results
