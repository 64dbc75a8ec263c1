/*-------------------------------------------------------------------------
 *
 * elements.c
 *	  Comparing the elements of a feature's array with its allowed values.
 *
 * Elements are sorted, so that no list of them takes more than n log n
 * comparisons.  They are equal as jsonb compares them: 1 equals 1.0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/jsonbuild.h"
#include "model/elements.h"

/* An element of an array, made ready for being compared. */
typedef struct Element
{
	JsonbContainer *value;		/* a scalar is in an array of its own */
	int			position;		/* in the array */
	bool		allowed;		/* for elements_violation() */
} Element;

static int
compare_values(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return compareJsonbContainers(((const Element *) a)->value,
								  ((const Element *) b)->value);
}

/* Equal elements in the order that they have in the array. */
static int
compare_elements(const void *a, const void *b)
{
	int			cmp = compare_values(a, b);

	return cmp != 0 ? cmp :
		((const Element *) a)->position - ((const Element *) b)->position;
}

/*
 * The elements of an array, sorted.
 */
static Element *
sort_elements(const JsonbContainer *array)
{
	Element    *elements = palloc_extended(sizeof(Element) *
										   Max(JsonContainerSize(array), 1),
										   MCXT_ALLOC_HUGE);
	JsonbIterator *it = json_begin_array(array);
	JsonbValue	value;
	Jsonb	   *scalar;
	int			count = 0;

	while (json_next_element(&it, &value))
	{
		elements[count].value = json_container(&value, &scalar);
		elements[count].position = count;
		elements[count].allowed = false;
		count++;
	}
	qsort(elements, count, sizeof(Element), compare_elements);
	return elements;
}

/*
 * Find the first element of an array that equals one before it, given the
 * sorted elements.  NULL if there is none.
 */
static const Element *
first_duplicate(const Element *elements, int count)
{
	const Element *first = NULL;

	for (int i = 1; i < count; i++)
	{
		if ((first == NULL || elements[i].position < first->position) &&
			compare_values(&elements[i - 1], &elements[i]) == 0)
			first = &elements[i];
	}
	return first;
}

/*
 * Find the first element of an array that is not one of the allowed values,
 * given the sorted elements, no two of which are equal.  NULL if there is none.
 */
static const Element *
first_not_allowed(Element *elements, int count, const Jsonb *allowed_values)
{
	JsonbIterator *it = json_begin_array(&allowed_values->root);
	JsonbValue	value;
	const Element *first = NULL;

	while (json_next_element(&it, &value))
	{
		Jsonb	   *scalar;
		Element		allowed = {.value = json_container(&value, &scalar)};
		Element    *element = bsearch(&allowed, elements, count,
									  sizeof(Element), compare_values);

		if (element != NULL)
			element->allowed = true;
		if (scalar != NULL)
			pfree(scalar);
	}

	for (int i = 0; i < count; i++)
	{
		if (!elements[i].allowed &&
			(first == NULL || elements[i].position < first->position))
			first = &elements[i];
	}
	return first;
}

/*
 * Say which element of an array is in it twice, or is not one of the allowed
 * values; these may be NULL, for no restriction.
 */
const char *
elements_violation(const JsonbContainer *array, const Jsonb *allowed_values)
{
	int			count = JsonContainerSize(array);
	Element    *elements = sort_elements(array);
	const Element *element = first_duplicate(elements, count);

	if (element != NULL)
		return psprintf("Duplicate element %s.",
						json_describe(element->value));
	if (allowed_values == NULL)
		return NULL;

	element = first_not_allowed(elements, count, allowed_values);
	if (element != NULL)
		return psprintf("The element %s is not one of the allowed %s.",
						json_describe(element->value),
						json_describe(&allowed_values->root));
	return NULL;
}
