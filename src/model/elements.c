/*-------------------------------------------------------------------------
 *
 * elements.c
 *	  Checking the elements of arrays: duplicates and allowed values.
 *
 * The rule: elements are sorted, so that no array takes more than O(n log n)
 * comparisons.  They are compared like jsonb: 1 equals 1.0.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "base/jsonbuild.h"
#include "model/elements.h"

/* An element of an array, prepared for comparisons. */
typedef struct Element
{
	JsonbContainer *value;		/* a scalar is wrapped in an array */
	int			position;		/* in the array */
	bool		allowed;		/* set by first_not_allowed() */
} Element;

static int
compare_values(const void *a, const void *b)
{
	CHECK_FOR_INTERRUPTS();
	return compareJsonbContainers(((const Element *) a)->value,
								  ((const Element *) b)->value);
}

/* Keep equal elements in the order of the array. */
static int
compare_elements(const void *a, const void *b)
{
	int			cmp = compare_values(a, b);

	return cmp != 0 ? cmp :
		((const Element *) a)->position - ((const Element *) b)->position;
}

/*
 * Return the elements of an array, sorted.
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
 * Given the sorted elements of an array, return the first one in the array
 * that equals a previous one, or NULL if there is none.
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
 * Given the sorted elements of an array, no two of which are equal, return the
 * first one in the array that is not an allowed value, or NULL if there is
 * none.
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
 * Return a sentence that names an element of an array that is duplicate or not
 * an allowed value, or NULL if there is none.  "allowed_values" may be NULL,
 * for no restriction.
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
